// A worker that follows a script instead of serving HTTP: it speaks the control protocol by shared/
// alone, accepts connections and answers each with its generation. Flags make it misbehave.
//   --never-ready --exit N (before ready) --crash (before ready) --garbage (instead of ready)
//   --ignore-pause --ignore-drain --crash-on-accept --close-channel --say TEXT (to stderr)
//   --recycle-after-ms N (begins to drain by itself)
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "shared/io/channel_end.hpp"
#include "shared/io/syscall.hpp"

namespace {

using namespace holdfast;

class FakeWorker {
 public:
  FakeWorker(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
      const bool has_value = i + 1 < argc && std::strncmp(argv[i + 1], "--", 2) != 0;
      flags_[argv[i]] = has_value ? argv[i + 1] : "";
      i += has_value ? 1 : 0;
    }
  }

  int run() {
    std::signal(SIGPIPE, SIG_IGN);
    if (flag("--say")) std::fprintf(stderr, "%s\n", flags_["--say"].c_str());
    const char* number = std::getenv("HOLDFAST_CHANNEL_FD");
    if (number == nullptr) return 90;
    UniqueFd fd(std::atoi(number));
    if (!set_cloexec(fd.get(), true)) return 91;
    ChannelEnd channel(std::move(fd));
    channel.send(Hello{kProtocol, static_cast<int>(::getpid()), "fake", {}});
    while (!done_) turn(channel);
    return code_;
  }

 private:
  bool flag(const char* name) const { return flags_.contains(name); }

  void turn(ChannelEnd& channel) {
    std::vector<pollfd> entries{{channel.fd(), POLLIN, 0}};
    if (accepting_) {
      for (const UniqueFd& listener : listeners_) entries.push_back({listener.get(), POLLIN, 0});
    }
    const int timeout = recycle_in();
    ::poll(entries.data(), entries.size(), timeout);
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if ((entries[i].revents & POLLIN) != 0) serve(entries[i].fd);
    }
    if (timeout >= 0 && recycle_in() == 0) {
      flags_.erase("--recycle-after-ms");
      channel.send(Draining{DrainReason::Recycle});
      leave(channel);
    }
    if (entries[0].revents == 0) return;
    auto received = channel.receive();
    if (!received || received->kind == Received::Kind::Eof) std::exit(92);
    if (received->kind == Received::Kind::Message) {
      on(channel, received->message, std::move(received->fds));
    }
  }

  int recycle_in() const {
    const auto found = flags_.find("--recycle-after-ms");
    if (found == flags_.end() || !accepting_) return -1;
    const auto passed = std::chrono::steady_clock::now() - accepting_since_;
    const auto left = std::chrono::milliseconds(std::stoi(found->second)) - passed;
    return static_cast<int>(
        std::max<long>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count()));
  }

  void serve(int listener) {
    const UniqueFd client(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    ++served_;
    const std::string body = std::to_string(generation_.value) + "\n";
    const std::string answer =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    char request[4096];
    if (::read(client.get(), request, sizeof request) <= 0) return;
    write_fully(client.get(), answer);
    ::shutdown(client.get(), SHUT_WR);
  }

  void leave(ChannelEnd& channel) {
    accepting_ = false;
    listeners_.clear();
    channel.send(Drained{served_, 0, 0, 0, 0});
    done_ = true;
  }

  void on(ChannelEnd& channel, const ControlMessage& message, std::vector<UniqueFd> fds) {
    if (const auto* welcome = std::get_if<Welcome>(&message)) {
      generation_ = welcome->generation;
      for (std::size_t i = 0; i < welcome->listeners.size(); ++i) {
        listeners_.push_back(std::move(fds[i]));
      }
      if (flag("--never-ready")) return;
      if (flag("--exit")) std::exit(std::stoi(flags_["--exit"]));
      if (flag("--crash")) std::abort();
      if (flag("--garbage")) {
        const ssize_t sent = ::send(channel.fd(), "{nonsense", 9, MSG_NOSIGNAL);
        (void)sent;
        return;
      }
      channel.send(Ready{});
    } else if (std::holds_alternative<Accept>(message)) {
      if (flag("--crash-on-accept")) std::abort();
      accepting_ = true;
      accepting_since_ = std::chrono::steady_clock::now();
      channel.send(Accepting{});
      if (flag("--close-channel")) ::shutdown(channel.fd(), SHUT_RDWR);
    } else if (std::holds_alternative<Pause>(message)) {
      if (flag("--ignore-pause")) return;
      accepting_ = false;
      channel.send(Paused{});
    } else if (const auto* drain = std::get_if<Drain>(&message)) {
      if (flag("--ignore-drain")) return;
      channel.send(Draining{drain->reason});
      if (drain->reason != DrainReason::Shutdown) leave(channel);
    } else if (std::holds_alternative<CloseListeners>(message)) {
      if (flag("--ignore-drain")) return;
      channel.send(ListenersClosed{});
      leave(channel);
    }
  }

  std::map<std::string, std::string> flags_;
  std::vector<UniqueFd> listeners_;
  GenerationId generation_;
  std::chrono::steady_clock::time_point accepting_since_;
  std::uint64_t served_ = 0;
  bool accepting_ = false;
  bool done_ = false;
  int code_ = 0;
};

}  // namespace

int main(int argc, char** argv) { return FakeWorker(argc, argv).run(); }
