#include "tests/support/websocket_client.hpp"

#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#if defined(BOOST_ASIO_SEPARATE_COMPILATION)
#include <boost/asio/ssl/impl/src.hpp>  // not part of holdfast_asio
#endif

#include "tests/support/websocket_socket.hpp"

namespace holdfast::testing {

struct WebSocketClient::Link {
  Link(bool secure, Millis most) : socket(io, secure ? &tls : nullptr), cap(most) {}

  void run(asio::awaitable<void> work) {
    bool done = false;
    std::exception_ptr failed;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr error) {
      done = true;
      failed = error;
    });
    io.restart();
    const TimePoint until = Clock::now() + cap;
    while (!done && Clock::now() < until) io.run_one_until(until);
    if (!done) throw std::runtime_error("the WebSocket server did not answer in time");
    if (failed) std::rethrow_exception(failed);
  }

  asio::io_context io{1};
  ssl::context tls{ssl::context::tls_client};
  WebSocket socket;
  Millis cap;
  std::string pong;
  bool ponged = false;
};

WebSocketClient::WebSocketClient(const std::string& address, bool tls, Millis cap)
    : link_(std::make_unique<Link>(tls, cap)) {
  link_->socket.with([this](auto& socket) {
    socket.read_message_max(64 << 20);
    socket.control_callback([this](websocket::frame_type kind, boost::beast::string_view payload) {
      if (kind != websocket::frame_type::pong) return;
      link_->pong = std::string(payload);
      link_->ponged = true;
    });
  });
  link_->run(link_->socket.open(endpoint_of(address), "/ws"));
}

WebSocketClient::~WebSocketClient() = default;

void WebSocketClient::send(std::string_view message, bool binary) {
  link_->socket.with([binary](auto& socket) { socket.binary(binary); });
  error_code failed;
  link_->run(link_->socket.write(asio::buffer(message), true, failed));
  if (failed) throw std::runtime_error("cannot send a message: " + failed.message());
}

void WebSocketClient::send_fragments(const std::vector<std::string>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    error_code failed;
    link_->run(link_->socket.write(asio::buffer(parts[i]), i + 1 == parts.size(), failed));
    if (failed) throw std::runtime_error("cannot send a fragment: " + failed.message());
  }
}

std::string WebSocketClient::read() {
  boost::beast::flat_buffer message;
  error_code failed;
  link_->run(link_->socket.read(message, failed));
  if (failed) throw std::runtime_error("cannot read a message: " + failed.message());
  return text_of(message);
}

std::string WebSocketClient::ping(const std::string& payload) {
  link_->ponged = false;
  error_code failed;
  link_->run(link_->socket.ping(websocket::ping_data(payload), failed));
  // Control frames are seen only by a read; the echo of a message ends it.
  send("after the ping");
  read();
  if (failed || !link_->ponged)
    throw std::runtime_error("no pong before the echo of a later message");
  return link_->pong;
}

void WebSocketClient::close() {
  error_code failed;
  link_->run(link_->socket.close(failed));
  if (failed) throw std::runtime_error("cannot close: " + failed.message());
}

int WebSocketClient::wait_close() {
  error_code failed;
  while (!failed) {
    boost::beast::flat_buffer message;
    link_->run(link_->socket.read(message, failed));
  }
  return failed == websocket::error::closed ? link_->socket.close_code() : 1006;
}

bool WebSocketClient::got_binary() const {
  return link_->socket.with([](auto& socket) { return socket.got_binary(); });
}

}  // namespace holdfast::testing
