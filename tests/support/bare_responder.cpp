// bare_responder: the lower bound of the benchmarks. One thread, one epoll set, a constant answer
// to every "\r\n\r\n", and an access log line with the fields and the size of the real one. It
// parses nothing else, limits nothing and times nothing out; no server that does its work can cost
// less.
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/plain\r\nX-Generation: 0\r\n"
    "X-Worker: 0\r\n\r\nHello, world!";
constexpr std::size_t kLogBuffer = 32 * 1024;
constexpr std::size_t kLongestLine = 1024;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// "2024-02-29T12:34:56.123456Z"; the part up to the second is kept from call to call.
class Stamp {
 public:
  std::string_view format(const timespec& now) {
    if (now.tv_sec != second_) {
      second_ = now.tv_sec;
      tm parts{};
      gmtime_r(&second_, &parts);
      std::strftime(text_.data(), text_.size(), "%Y-%m-%dT%H:%M:%S.000000Z", &parts);
    }
    std::int64_t micros = now.tv_nsec / 1000;
    for (std::size_t i = 25; i > 19; --i, micros /= 10) {
      text_[i] = static_cast<char>('0' + micros % 10);
    }
    return {text_.data(), 27};
  }

 private:
  time_t second_ = -1;
  std::array<char, 32> text_{};
};

class AccessLog {
 public:
  explicit AccessLog(const char* path) {
    if (path == nullptr) return;
    fd_ = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) die(path);
    pid_ = std::to_string(getpid());
  }

  void write_line(const timespec& start, const timespec& begin, const timespec& end,
                  std::size_t request_size, std::uint16_t port, std::uint32_t connection,
                  std::uint32_t requests) {
    if (fd_ < 0) return;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const std::int64_t micros =
        (end.tv_sec - begin.tv_sec) * 1'000'000 + (end.tv_nsec - begin.tv_nsec) / 1000;
    put(R"({"logged_at":")");
    put(logged_.format(now));
    put(R"(","type":"access","severity":"info","start_at":")");
    put(started_.format(start));
    put(R"(","response_time":)");
    put_seconds(micros);
    put(R"(,"protocol":"HTTP/1.1","http_method":"GET","url":"/","http_host":"127.0.0.1",)"
        R"("http_status_code":200,"response_size":13,"bytes_received":)");
    put_number(request_size);
    put(R"(,"bytes_sent":)");
    put_number(kResponse.size());
    put(R"(,"remote_ipaddr":"127.0.0.1","remote_port":)");
    put_number(port);
    put(R"(,"request_id":"5f1c3a9be07d4268)");
    put_number(++lines_);
    put(R"(","listener":"http","conn_id":"0-0-)");
    put_number(connection);
    put(R"(","conn_requests":)");
    put_number(requests);
    put(R"(,"pid":)");
    put(pid_);
    put(R"(,"worker":0,"generation":0,"completion":"ok"})");
    put("\n");
    if (used_ + kLongestLine > kLogBuffer) flush();
  }

  void flush() {
    if (fd_ >= 0 && write(fd_, buffer_.data(), used_) < 0) die("write");
    used_ = 0;
  }

 private:
  void put(std::string_view text) {
    std::memcpy(buffer_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }

  void put_number(std::uint64_t value) {
    char* const from = buffer_.data() + used_;
    used_ = static_cast<std::size_t>(std::to_chars(from, from + 20, value).ptr - buffer_.data());
  }

  void put_seconds(std::int64_t micros) {
    put_number(static_cast<std::uint64_t>(micros / 1'000'000));
    put(".000000");
    micros %= 1'000'000;
    for (std::size_t i = used_ - 1; micros > 0; --i, micros /= 10) {
      buffer_[i] = static_cast<char>('0' + micros % 10);
    }
  }

  int fd_ = -1;
  std::size_t used_ = 0;
  std::uint64_t lines_ = 100'000;
  std::string pid_;
  Stamp logged_;
  Stamp started_;
  std::array<char, kLogBuffer + kLongestLine> buffer_{};
};

struct Connection {
  std::string pending;  // of a head that came in pieces
  std::uint32_t number = 0;
  std::uint32_t requests = 0;
  std::uint16_t port = 0;
};

class Responder {
 public:
  Responder(int listener, const char* log_path)
      : listener_(listener), epoll_(epoll_create1(EPOLL_CLOEXEC)), log_(log_path) {
    watch(listener_);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    for (;;) {
      const int n = epoll_wait(epoll_, events.data(), events.size(), idle_ ? -1 : 1000);
      if (n == 0) log_.flush();
      idle_ = n == 0;
      for (int i = 0; i < n; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        fd == listener_ ? accept_all() : serve(fd);
      }
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.fd = fd}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  void accept_all() {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    int fd = -1;
    while ((fd = accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const auto index = static_cast<std::size_t>(fd);
      if (index >= connections_.size()) connections_.resize(index + 1);
      connections_[index] = std::make_unique<Connection>();
      connections_[index]->port = ntohs(peer.sin_port);
      connections_[index]->number = ++accepted_;
      watch(fd);
    }
  }

  void serve(int fd) {
    Connection& connection = *connections_[static_cast<std::size_t>(fd)];
    timespec start{};
    timespec begin{};
    clock_gettime(CLOCK_REALTIME, &start);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    const ssize_t n = recv(fd, scratch_.data(), scratch_.size(), 0);
    if (n <= 0) return drop(fd);
    std::string_view bytes(scratch_.data(), static_cast<std::size_t>(n));
    if (!connection.pending.empty()) bytes = connection.pending.append(bytes);
    std::size_t end = 0;
    while ((end = bytes.find("\r\n\r\n")) != std::string_view::npos) {
      if (send(fd, kResponse.data(), kResponse.size(), MSG_NOSIGNAL) < 0) return drop(fd);
      timespec sent{};
      clock_gettime(CLOCK_MONOTONIC, &sent);
      log_.write_line(start, begin, sent, end + 4, connection.port, connection.number,
                      ++connection.requests);
      bytes.remove_prefix(end + 4);
    }
    connection.pending = std::string(bytes);
  }

  void drop(int fd) {
    connections_[static_cast<std::size_t>(fd)].reset();
    close(fd);
  }

  const int listener_;
  const int epoll_;
  bool idle_ = false;
  std::uint32_t accepted_ = 0;
  AccessLog log_;
  std::array<char, 65536> scratch_{};
  std::vector<std::unique_ptr<Connection>> connections_;  // by descriptor
};

int open_listener(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t length = sizeof address;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) die("bind");
  if (listen(fd, 4096) != 0) die("listen");
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  const char* log = nullptr;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--port") port = static_cast<std::uint16_t>(std::atoi(argv[i + 1]));
    if (flag == "--log") log = argv[i + 1];
  }
  static Responder responder(open_listener(port), log);
  responder.run();
}
