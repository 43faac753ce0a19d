#include "tests/support/websocket_client.hpp"

#include <atomic>
#include <optional>
#include <stdexcept>
#include <thread>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#if defined(BOOST_ASIO_SEPARATE_COMPILATION)
#include <boost/asio/ssl/impl/src.hpp>  // not part of holdfast_asio
#endif
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

namespace holdfast::testing {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

using Plain = websocket::stream<tcp::socket>;
using Secure = websocket::stream<ssl::stream<tcp::socket>>;

tcp::endpoint endpoint_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  return {asio::ip::make_address(address.substr(0, colon)),
          static_cast<unsigned short>(std::stoi(address.substr(colon + 1)))};
}

// Either kind behind one face.
class Socket {
 public:
  Socket(asio::io_context& io, ssl::context* tls) {
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

std::string text_of(const boost::beast::flat_buffer& buffer) {
  return {static_cast<const char*>(buffer.data().data()), buffer.size()};
}

}  // namespace

// One connection
// -------------------------------------------------------------------------------------------------

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
  Socket socket;
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

// Many
// -------------------------------------------------------------------------------------------------

struct WebSocketLoad::Engine {
  asio::awaitable<void> client(int number) {
    for (int life = 0; !stopping; ++life) {
      Socket socket(io, secure ? &tls : nullptr);
      try {
        co_await socket.open(target, "/ws");
      } catch (const std::exception& error) {
        if (!stopping) result.failures.push_back("cannot connect: " + std::string(error.what()));
        co_return;
      }
      error_code failed;
      for (int i = 0; !failed && !stopping; ++i) {
        const std::string message = std::to_string(number) + "/" + std::to_string(life) + "/" +
                                    std::to_string(i) + std::string(i % 50 * 40, '.');
        co_await socket.write(asio::buffer(message), true, failed);
        if (failed) break;
        boost::beast::flat_buffer echo;
        co_await socket.read(echo, failed);
        if (failed) break;
        if (text_of(echo) != message) {
          result.failures.push_back("sent " + message.substr(0, 40) + ", got " +
                                    text_of(echo).substr(0, 40));
          co_return;
        }
        ++echoed;
      }
      // A write that meets the server's close frame fails; the read says why.
      while (failed && failed != websocket::error::closed) {
        const error_code first = failed;
        boost::beast::flat_buffer rest;
        failed = {};
        co_await socket.read(rest, failed);
        if (failed && failed != websocket::error::closed) {
          result.failures.push_back("ended by: " + first.message());
          co_return;
        }
      }
      if (failed == websocket::error::closed) {
        if (socket.close_code() == 1001) {
          ++result.going_away;
          continue;
        }
        result.failures.push_back("closed with " + std::to_string(socket.close_code()));
        co_return;
      }
      co_await socket.close(failed);
      if (failed) result.failures.push_back("no answer to a close: " + failed.message());
    }
  }

  asio::io_context io{1};
  ssl::context tls{ssl::context::tls_client};
  bool secure = false;
  tcp::endpoint target;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> echoed{0};
  WebSocketResult result;
  std::thread thread;
};

WebSocketLoad::WebSocketLoad(std::string address, int clients, bool tls)
    : engine_(std::make_unique<Engine>()) {
  engine_->secure = tls;
  engine_->target = endpoint_of(address);
  for (int i = 0; i < clients; ++i) asio::co_spawn(engine_->io, engine_->client(i), asio::detached);
  engine_->thread = std::thread([engine = engine_.get()] { engine->io.run(); });
}

WebSocketLoad::~WebSocketLoad() {
  if (engine_->thread.joinable()) {
    engine_->io.stop();
    engine_->thread.join();
  }
}

std::uint64_t WebSocketLoad::echoed() const { return engine_->echoed; }

WebSocketResult WebSocketLoad::finish() {
  engine_->stopping = true;
  engine_->thread.join();
  engine_->result.echoed = engine_->echoed;
  return engine_->result;
}

}  // namespace holdfast::testing
