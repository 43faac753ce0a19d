// Boost.Beast's usual asynchronous server (listener, session, one io_context), made to drain, and
// to give its connections to the next generation where `holdfast run --idle handoff` wants that.
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "holdfast/worker/worker.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using holdfast::worker::TakenConnection;
using holdfast::worker::Worker;

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, Worker& worker, const std::string& listener)
      : worker_(worker),
        stream_(std::move(socket)),
        connection_(worker.connections().open(stream_.socket().native_handle(), listener)) {
    all.insert(this);
  }

  // One that another worker accepted.
  Session(tcp::socket socket, Worker& worker, const TakenConnection& taken)
      : worker_(worker), stream_(std::move(socket)), connection_(worker.connections().open(taken)) {
    buffer_.commit(
        asio::buffer_copy(buffer_.prepare(taken.pending.size()), asio::buffer(taken.pending)));
    all.insert(this);
  }

  ~Session() { all.erase(this); }

  // To the next request.
  void next() {
    stream_.expires_after(std::chrono::seconds(75));
    read();
  }

  // The drain has begun: ends the wait for a head, so that read() can move.
  void leave() {
    if (waiting_ && connection_.should_move()) stream_.cancel();
  }

  static inline std::set<Session*> all;

 private:
  // A parser would take the head out of the buffer line by line, and its beginning could not move.
  void read() {
    if (connection_.should_move() && move()) return;
    if (received().find("\r\n\r\n") != std::string_view::npos || buffer_.size() > kMaxHead)
      return read_request();
    waiting_ = true;
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = shared_from_this()](error_code failed, std::size_t size) {
                              self->waiting_ = false;
                              self->buffer_.commit(size);
                              if (!failed || failed == asio::error::operation_aborted) self->read();
                            });
  }

  // To the next generation, with what the client has already sent. close(2) and nothing else: the
  // connection lives on.
  bool move() {
    if (!connection_.hand_off(received())) return false;
    ::close(stream_.release_socket().release());
    return true;
  }

  std::string_view received() const {
    const auto bytes = buffer_.data();
    return {static_cast<const char*>(bytes.data()), bytes.size()};
  }

  void read_request() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     [self = shared_from_this()](error_code failed, std::size_t) {
                       if (!failed) self->answer();
                     });
  }

  void answer() {
    started_ = std::chrono::steady_clock::now();
    connection_.active();
    response_ = {};
    response_.set(http::field::content_type, "text/plain");
    response_.set("X-Generation", std::to_string(worker_.generation()));
    response_.body() = request_.method() == http::verb::post ? request_.body() : "Hello, world!";
    response_.keep_alive(request_.keep_alive() && !connection_.should_close());
    response_.prepare_payload();
    connection_.answering();
    http::async_write(stream_, response_,
                      [self = shared_from_this()](error_code failed, std::size_t sent) {
                        self->log(sent, failed);
                        if (failed) return;
                        if (!self->response_.keep_alive()) return self->close();
                        self->connection_.idle();
                        self->next();
                      });
  }

  void close() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  void log(std::size_t sent, error_code failed) {
    error_code ignored;
    const auto peer = stream_.socket().remote_endpoint(ignored);
    const std::string address = peer.address().to_string();
    const std::string_view id = request_["X-Request-ID"];
    worker_.log({.started = started_,
                 .method = request_.method_string(),
                 .url = request_.target(),
                 .host = request_[http::field::host],
                 .user_agent = request_[http::field::user_agent],
                 .status = static_cast<int>(response_.result_int()),
                 .request_size = request_.body().size(),
                 .response_size = response_.body().size(),
                 .bytes_sent = sent,
                 .remote_address = address,
                 .remote_port = peer.port(),
                 .request_id = id,
                 .completion = failed ? "client_aborted" : "ok"});
  }

  static constexpr std::size_t kMaxHead = 8 * 1024;

  Worker& worker_;
  beast::tcp_stream stream_;
  Worker::Connection connection_;  // behind the stream: it must end before the socket does
  beast::flat_buffer buffer_;
  bool waiting_ = false;  // for a head
  http::request<http::string_body> request_;
  http::response<http::string_body> response_;
  std::chrono::steady_clock::time_point started_;
};

class Listener {
 public:
  Listener(asio::io_context& io, Worker& worker, const holdfast::worker::WorkerListener& listener)
      : worker_(worker), name_(listener.name), acceptor_(io) {
    acceptor_.assign(tcp::v4(), listener.fd);
  }

  void accept() {
    if (std::exchange(accepting_, true)) return;
    next();
  }

  void pause() {
    accepting_ = false;
    acceptor_.cancel();
  }

  void close(bool accept_queued) {
    pause();
    for (int fd = -1; accept_queued && (fd = Worker::accept(acceptor_.native_handle())) >= 0;)
      serve(tcp::socket(acceptor_.get_executor(), tcp::v4(), fd));
    acceptor_.close();  // never shutdown(): the socket is everybody's
  }

 private:
  void next() {
    acceptor_.async_accept([this](error_code failed, tcp::socket socket) {
      if (!failed) serve(std::move(socket));
      if (accepting_ && failed != asio::error::operation_aborted) next();
    });
  }

  void serve(tcp::socket socket) {
    std::make_shared<Session>(std::move(socket), worker_, name_)->next();
  }

  Worker& worker_;
  std::string name_;
  tcp::acceptor acceptor_;
  bool accepting_ = false;
};

// Lets the worker speak with its supervisor whenever there is something to say.
void drive(asio::posix::stream_descriptor& watch, asio::io_context& io, Worker& worker) {
  watch.async_wait(asio::posix::stream_descriptor::wait_read, [&](error_code failed) {
    if (failed || !worker.dispatch()) return io.stop();
    drive(watch, io, worker);
  });
}

int serve() {
  Worker worker(
      {.handoff = true});  // before the io_context: sessions that are cut are destroyed with that
  asio::io_context io(1);
  std::vector<std::unique_ptr<Listener>> listeners;
  for (const auto& listener : worker.listeners())
    listeners.push_back(std::make_unique<Listener>(io, worker, listener));

  worker.on_accept([&] {
    for (auto& each : listeners) each->accept();
  });
  worker.on_pause([&] {
    for (auto& each : listeners) each->pause();
  });
  worker.on_close_listeners([&](bool queued) {
    for (auto& each : listeners) each->close(queued);
  });
  worker.on_drain([](std::string_view, auto) {
    for (Session* each : Session::all) each->leave();
  });
  worker.on_connection([&](const TakenConnection& taken) {
    tcp::socket socket(io, tcp::v4(), taken.fd);
    std::make_shared<Session>(std::move(socket), worker, taken)->next();
  });
  worker.ready();

  asio::posix::stream_descriptor watch(io, worker.fd());
  drive(watch, io, worker);
  io.run();
  watch.release();
  return worker.wait();
}

}  // namespace

int main() {
  try {
    return serve();
  } catch (const std::exception& error) {
    std::cerr << "beast_server: " << error.what() << "\n";
    return 1;
  }
}
