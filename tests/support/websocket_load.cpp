#include "tests/support/websocket_load.hpp"

#include <atomic>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "tests/support/websocket_socket.hpp"

namespace holdfast::testing {

struct WebSocketLoad::Engine {
  asio::awaitable<void> client(int number) {
    for (int life = 0; !stopping; ++life) {
      WebSocket socket(io, secure ? &tls : nullptr);
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
