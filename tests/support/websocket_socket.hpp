// A WebSocket client's connection as coroutines, over TCP or over TLS.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

namespace holdfast::testing {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

using Plain = websocket::stream<tcp::socket>;
using Secure = websocket::stream<ssl::stream<tcp::socket>>;

inline tcp::endpoint endpoint_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  return {asio::ip::make_address(address.substr(0, colon)),
          static_cast<unsigned short>(std::stoi(address.substr(colon + 1)))};
}

// Either kind behind one face.
class WebSocket {
 public:
  WebSocket(asio::io_context& io, ssl::context* tls) {
    if (tls != nullptr) {
      secure_.emplace(io, *tls);
    } else {
      plain_.emplace(io);
    }
  }
  template <typename Use>
  auto with(Use use) {
    return secure_ ? use(*secure_) : use(*plain_);
  }
  asio::awaitable<void> open(tcp::endpoint to, std::string target) {
    const auto lowest = [](auto& s) -> tcp::socket& { return boost::beast::get_lowest_layer(s); };
    tcp::socket& socket = secure_ ? lowest(*secure_) : lowest(*plain_);
    co_await socket.async_connect(to, asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    if (secure_) {
      co_await secure_->next_layer().async_handshake(ssl::stream_base::client, asio::use_awaitable);
      co_await secure_->async_handshake("localhost", target, asio::use_awaitable);
    } else {
      co_await plain_->async_handshake("localhost", target, asio::use_awaitable);
    }
  }
  asio::awaitable<void> write(asio::const_buffer bytes, bool last, error_code& failed) {
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    if (secure_) {
      co_await secure_->async_write_some(last, bytes, token);
    } else {
      co_await plain_->async_write_some(last, bytes, token);
    }
  }
  asio::awaitable<void> read(boost::beast::flat_buffer& into, error_code& failed) {
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    if (secure_) {
      co_await secure_->async_read(into, token);
    } else {
      co_await plain_->async_read(into, token);
    }
  }
  asio::awaitable<void> close(error_code& failed) {
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    const websocket::close_reason reason(websocket::close_code::normal);
    if (secure_) {
      co_await secure_->async_close(reason, token);
    } else {
      co_await plain_->async_close(reason, token);
    }
  }
  asio::awaitable<void> ping(websocket::ping_data payload, error_code& failed) {
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    if (secure_) {
      co_await secure_->async_ping(payload, token);
    } else {
      co_await plain_->async_ping(payload, token);
    }
  }
  int close_code() {
    return with([](auto& s) { return static_cast<int>(s.reason().code); });
  }

 private:
  std::optional<Plain> plain_;
  std::optional<Secure> secure_;
};

inline std::string text_of(const boost::beast::flat_buffer& buffer) {
  return {static_cast<const char*>(buffer.data().data()), buffer.size()};
}

}  // namespace holdfast::testing
