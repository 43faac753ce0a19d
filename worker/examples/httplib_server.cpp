// cpp-httplib with its own accept loop and its own threads, made to drain.
#include <condition_variable>
#include <fcntl.h>
#include <httplib.h>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <sys/un.h>

#include "holdfast/worker/worker.hpp"

namespace {

using holdfast::worker::Worker;

// The connection that this thread of the pool serves. It is open from the moment it is accepted:
// it may have to wait for a thread, and the drain must wait for it.
thread_local Worker::Connection* current = nullptr;

class Pool : public httplib::TaskQueue {
 public:
  Pool(Worker& worker, std::size_t threads) : worker_(worker), pool_(threads) {}

  void enqueue(std::function<void()> serve) override {
    auto connection = std::make_shared<Worker::Connection>(worker_.connections().open());
    pool_.enqueue([connection, serve = std::move(serve)] {
      current = connection.get();
      serve();
    });
  }
  void shutdown() override { pool_.shutdown(); }

  // Called by the accept loop between two looks at the listener.
  void on_idle() override {
    const std::lock_guard lock(mutex_);
    ++turns_;
    turned_.notify_all();
  }
  // Whatever the loop had accepted when this was called is enqueued when it returns.
  void await_turn() {
    std::unique_lock lock(mutex_);
    const std::uint64_t wanted = turns_ + 2;
    turned_.wait(lock, [&] { return turns_ >= wanted; });
  }

 private:
  Worker& worker_;
  httplib::ThreadPool pool_;
  std::mutex mutex_;
  std::condition_variable turned_;
  std::uint64_t turns_ = 0;
};

// httplib's own way to read and write is not in its header. Timeouts are on the socket.
class Socket : public httplib::Stream {
 public:
  Socket(int fd, Worker::Connection& connection) : fd_(fd), connection_(connection) {}
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* at, std::size_t size) override {
    answering_ = false;
    return ::recv(fd_, at, size, 0);
  }
  ssize_t write(const char* at, std::size_t size) override {
    if (!std::exchange(answering_, true)) connection_.answering();
    return ::send(fd_, at, size, MSG_NOSIGNAL);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { name(ip, port, true); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { name(ip, port, false); }
  int socket() const override { return fd_; }

 private:
  void name(std::string& ip, int& port, bool peer) const {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if ((peer ? ::getpeername : ::getsockname)(fd_, generic, &size) != 0) return;
    char host[NI_MAXHOST];
    char service[NI_MAXSERV];
    if (::getnameinfo(generic, size, host, sizeof host, service, sizeof service,
                      NI_NUMERICHOST | NI_NUMERICSERV) != 0)
      return;
    ip = host;
    port = std::atoi(service);
  }

  int fd_;
  Worker::Connection& connection_;
  bool answering_ = false;
};

class DrainingServer : public httplib::Server {
 public:
  explicit DrainingServer(Worker& worker) : worker_(worker), parked_(park()) {
    set_idle_interval(0, 10'000);  // the listener does not block: look first, then accept
    new_task_queue = [this] { return pool_ = new Pool(worker_, 64); };
    // The loop always has this number; what stands behind it changes.
    svr_sock_ = ::fcntl(parked_, F_DUPFD_CLOEXEC, 3);
    worker_.on_accept([this] { look_at(listener()); });
    worker_.on_pause([this] { look_at(parked_); });
    worker_.on_close_listeners([this](bool accept_queued) { close_listener(accept_queued); });
  }
  ~DrainingServer() override { ::close(parked_); }

  int run() {
    std::thread loop([this] { listen_after_bind(); });
    worker_.start_thread();
    worker_.ready();
    const int code = worker_.wait();
    // httplib's stop() would shutdown() the listener, for every process that shares it.
    ::close(svr_sock_.exchange(INVALID_SOCKET));
    loop.join();
    return code;
  }

 private:
  int listener() const { return worker_.listeners().front().fd; }
  void look_at(int socket) { ::dup3(socket, svr_sock_, O_CLOEXEC); }

  // A listener of nobody's: the kernel names it (unix(7), autobind).
  static int park() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)) != 0 ||
        ::listen(fd, 1) != 0)
      throw std::runtime_error("cannot park the server's listener");
    return fd;
  }

  void close_listener(bool accept_queued) {
    look_at(parked_);
    pool_->await_turn();
    for (int fd = -1; accept_queued && (fd = Worker::accept(listener(), false)) >= 0;)
      pool_->enqueue([this, fd] { process_and_close_socket(fd); });
    ::close(listener());
  }

  // As httplib's own, but what a drain wants is asked anew before each request.
  bool process_and_close_socket(int fd) override {
    Worker::Connection connection = std::move(*current);
    connection.set_fd(fd);
    Socket stream(fd, connection);
    const timeval read_timeout{75, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &read_timeout, sizeof read_timeout);
    bool over = false;
    char first = 0;
    while (!over && ::recv(fd, &first, 1, MSG_PEEK) == 1) {
      connection.active();
      if (!process_request(stream, connection.should_close(), over, nullptr)) break;
      connection.idle();
    }
    connection.closed();
    ::shutdown(fd, SHUT_WR);
    ::close(fd);
    return true;
  }

  Worker& worker_;
  int parked_;
  Pool* pool_ = nullptr;
};

}  // namespace

int main() {
  try {
    Worker worker;
    DrainingServer server(worker);
    const auto hello = [](const httplib::Request&, httplib::Response& response) {
      response.set_content("Hello, world!", "text/plain");
    };
    server.Get("/", hello);
    server.Post(".*", [](const httplib::Request& request, httplib::Response& response) {
      response.set_content(request.body, "text/plain");
    });
    server.set_default_headers({{"X-Generation", std::to_string(worker.generation())}});
    server.set_logger([&](const httplib::Request& request, const httplib::Response& response) {
      const std::string host = request.get_header_value("Host");
      const std::string id = request.get_header_value("X-Request-ID");
      worker.log({.method = request.method,
                  .url = request.target,
                  .host = host,
                  .status = response.status,
                  .request_size = request.body.size(),
                  .response_size = response.body.size(),
                  .remote_address = request.remote_addr,
                  .remote_port = static_cast<std::uint16_t>(request.remote_port),
                  .request_id = id});
    });
    return server.run();
  } catch (const std::exception& error) {
    std::cerr << "httplib_server: " << error.what() << "\n";
    return 1;
  }
}
