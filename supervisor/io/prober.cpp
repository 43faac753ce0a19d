#include "supervisor/io/prober.hpp"

#include <array>
#include <cctype>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "shared/core/duration.hpp"

namespace holdfast::supervisor {
namespace {

using Stream = boost::asio::generic::stream_protocol;

// "HTTP/1.1 200 OK" is all that is read.
constexpr std::size_t kStatusLine = 12;

boost::asio::generic::stream_protocol::endpoint endpoint_of(const ListenAddress& address,
                                                            boost::system::error_code& failed) {
  if (const auto* tcp = std::get_if<TcpAddress>(&address)) {
    const auto host = boost::asio::ip::make_address(tcp->host, failed);
    return boost::asio::ip::tcp::endpoint(host, tcp->port);
  }
  std::string path = std::get<UnixAddress>(address).path;
  if (path.front() == '@') path.front() = '\0';
  return boost::asio::local::stream_protocol::endpoint(path);
}

std::string host_header(const ListenAddress& address) {
  return std::holds_alternative<TcpAddress>(address) ? to_string(address) : "localhost";
}

}  // namespace

struct Prober::Question : std::enable_shared_from_this<Question> {
  Question(boost::asio::io_context& io, ProbeTarget what, std::function<void(std::string)> done)
      : socket(io), deadline(io), target(std::move(what)), on_done(std::move(done)) {}

  void begin(Millis timeout) {
    deadline.expires_after(timeout);
    deadline.async_wait([self = shared_from_this(), timeout](boost::system::error_code cancelled) {
      if (!cancelled) self->end("no answer within " + format_duration(timeout));
    });
    boost::system::error_code bad;
    const auto endpoint = endpoint_of(target.address, bad);
    if (bad) {
      return boost::asio::post(socket.get_executor(),
                               [self = shared_from_this(), bad] { self->end(bad.message()); });
    }
    socket.async_connect(endpoint, [self = shared_from_this()](boost::system::error_code failed) {
      if (failed) return self->end(failed.message());
      if (self->target.path.empty()) return self->end("");
      self->request();
    });
  }

  void request() {
    text = "GET " + target.path + " HTTP/1.1\r\nHost: " + host_header(target.address) +
           "\r\nUser-Agent: holdfast-probe\r\nConnection: close\r\n\r\n";
    boost::asio::async_write(
        socket, boost::asio::buffer(text),
        [self = shared_from_this()](boost::system::error_code failed, std::size_t) {
          if (failed) return self->end(failed.message());
          self->text.clear();
          self->read();
        });
  }

  void read() {
    socket.async_read_some(
        boost::asio::buffer(buffer),
        [self = shared_from_this()](boost::system::error_code failed, std::size_t size) {
          self->text.append(self->buffer.data(), size);
          if (self->text.size() >= kStatusLine) return self->judge();
          if (failed) return self->end("it closed without an answer");
          self->read();
        });
  }

  void judge() {
    const bool http = text.starts_with("HTTP/1.") && std::isdigit(text[9]) != 0;
    if (!http) return end("it does not speak HTTP");
    const bool good = text[9] == '2' || text[9] == '3';
    end(good ? "" : "status " + text.substr(9, 3));
  }

  void end(std::string failure) {
    if (const auto done = std::exchange(on_done, nullptr)) {
      stop();
      done(std::move(failure));
    }
  }

  void stop() {
    on_done = nullptr;
    deadline.cancel();
    boost::system::error_code ignored;
    socket.close(ignored);
  }

  Stream::socket socket;
  boost::asio::steady_timer deadline;
  ProbeTarget target;
  std::function<void(std::string)> on_done;
  std::string text;
  std::array<char, 256> buffer{};
};

Prober::Prober(boost::asio::io_context& io) : io_(io) {}

Prober::~Prober() {
  if (question_) question_->stop();
}

void Prober::ask(const ProbeTarget& target, Millis timeout,
                 std::function<void(std::string)> on_done) {
  if (question_) question_->stop();
  question_ = std::make_shared<Question>(io_, target, std::move(on_done));
  question_->begin(timeout);
}

}  // namespace holdfast::supervisor
