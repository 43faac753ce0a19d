// A server inside a program: what other threads ask of it is posted to its own.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <system_error>

#include <boost/asio/post.hpp>

#include "shared/io/bind_listener.hpp"
#include "shared/io/log_target.hpp"
#include "shared/io/syscall.hpp"
#include "worker/io/local_address.hpp"
#include "worker/io/server_impl.hpp"

namespace holdfast::worker {
namespace {

// No signal of the process is ever delivered to a thread of ours; a SIGPIPE of its own is then an
// EPIPE and no more.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

Result<void> use_listener(int fd) {
  const std::string what = "serve descriptor " + std::to_string(fd);
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0)
    return errno_error(what, errno);
  if (listening == 0) return plain_error(what, "the socket does not listen");
  HOLDFAST_TRY(set_cloexec(fd, true));
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno_error(what, errno);
  return {};
}

// In the words of whoever asked for it, whichever call it was that failed.
Error cannot_listen(const std::string& address, const Error& error) {
  return error.code == 0 ? error : errno_error("listen on " + address, error.code);
}

}  // namespace

Failure to_failure(const Error& error) {
  return {error.message, std::error_code(error.code, std::generic_category())};
}

Server::Impl::~Impl() {
  if (!thread_.joinable()) return;
  hurry_ = true;
  request_stop();
  thread_.join();
}

std::optional<Failure> Server::Impl::serve(UniqueFd listener, std::string name) {
  if (const auto usable = use_listener(listener.get()); !usable) return to_failure(usable.error());
  const std::string address = local_address(listener.get());
  const auto added = add_listener(std::move(listener), std::move(name), address);
  return added ? std::nullopt : std::optional(to_failure(added.error()));
}

std::optional<Failure> Server::Impl::listen_and_serve(const std::string& address) {
  const std::string wanted = !address.empty()                   ? address
                             : options_.tls.certificate.empty() ? ":80"
                                                                : ":443";
  const auto failed = [this](const Error& error) {
    bump("listen.error");
    return to_failure(error);
  };
  const auto spec = parse_listener_spec(wanted);
  if (!spec) return failed(spec.error());
  auto bound = bind_listener(spec->address);
  if (!bound) return failed(cannot_listen(to_string(spec->address), bound.error()));
  const auto added = add_listener(std::move(bound->fd), spec->name, std::move(bound->address));
  return added ? std::nullopt : std::optional(to_failure(added.error()));
}

Result<void> Server::Impl::add_listener(UniqueFd listener, std::string name, std::string address) {
  const std::lock_guard lock(control_);
  if (stopping_) return plain_error("serve " + address, "the server was stopped");
  HOLDFAST_TRY(start_thread());
  addresses_.push_back(address);
  boost::asio::post(io_, [this, fd = std::move(listener), name = std::move(name),
                          address = std::move(address)]() mutable {
    if (lifecycle_.phase == Phase::Draining || lifecycle_.phase == Phase::Exited) return;
    bump("serve");
    acceptors_.add(std::move(fd), listener_profile(options_, std::move(name), std::move(address)));
    if (lifecycle_.phase == Phase::Starting) feed(Prepared{});
  });
  return {};
}

// REQUIRES: control_ is held.
Result<void> Server::Impl::start_thread() {
  if (thread_.joinable()) return {};
  if (status_.begun()) return plain_error("serve", "run() has the server");
  HOLDFAST_TRY(sessions_.requests().trust(options_.trusted_proxies));
  HOLDFAST_TRY(load_tls());
  HOLDFAST_ASSIGN(UniqueFd log, open_log_target(options_.access_log));
  log_.open(std::move(log));
  acceptors_.on_failed = [this](const Error& error) { status_.end_accepting(to_failure(error)); };
  prepare_alone();
  clock_.attach();
  try {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { serve_on_thread(); });
  } catch (const std::system_error& error) {
    clock_.detach();
    return errno_error("start a thread", error.code().value());
  }
  status_.begin();
  return {};
}

void Server::Impl::serve_on_thread() {
  status_.on_thread();
  try {
    sessions_.poller().start();
    start_averages();
    io_.run();
  } catch (const std::exception& error) {  // a hook threw
    result_.failure = to_failure(plain_error("serve", error.what()));
  }
  clock_.detach();
  status_.end(result_);
}

void Server::Impl::request_stop() {
  {
    const std::lock_guard lock(control_);
    stopping_ = true;
  }
  boost::asio::post(io_, [this] { stop_on_thread(); });
}

void Server::Impl::stop_on_thread() {
  const auto is = [this](Phase phase) { return lifecycle_.phase == phase; };
  if (!is(Phase::Draining) && !is(Phase::Exited)) feed(TermReceived{});
  if (!hurry_) return;
  if (is(Phase::Draining)) feed(TermReceived{});
  if (is(Phase::Exited)) log_.give_up();
}

StopResult Server::Impl::stop() {
  request_stop();
  if (!status_.begun()) return {};
  const auto failed = [](std::errc code, std::string_view cause) {
    StopResult result;
    result.failure = {plain_error("stop", cause).message, std::make_error_code(code)};
    return result;
  };
  if (status_.is_server_thread())
    return failed(std::errc::resource_deadlock_would_occur, "called on the server's own thread");
  if (auto result = status_.wait_end(Millis(stop_limit_))) return *std::move(result);
  bump("kill.timeout");
  return failed(std::errc::timed_out, "a handler blocks the server's thread");
}

std::optional<Failure> Server::Impl::reopen_log() {
  auto fresh = open_log_target(options_.access_log);
  if (!fresh) return to_failure(fresh.error());
  boost::asio::post(io_, [this, fd = std::move(*fresh)]() mutable { log_.open(std::move(fd)); });
  return std::nullopt;
}

}  // namespace holdfast::worker
