#include "worker/demo/websocket.hpp"

#include <memory>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

namespace holdfast::demo {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;

using Socket = websocket::stream<worker::Stream, false>;

http::request<http::empty_body> upgrade_request(const worker::Request& request) {
  http::request<http::empty_body> upgrade;
  upgrade.method_string({request.method().data(), request.method().size()});
  upgrade.target({request.target().data(), request.target().size()});
  upgrade.version(11);
  for (const worker::Field& field : request.headers()) {
    upgrade.insert({field.name.data(), field.name.size()},
                   {field.value.data(), field.value.size()});
  }
  return upgrade;
}

asio::awaitable<void> say_goodbye(std::shared_ptr<Socket> socket, std::chrono::milliseconds grace) {
  asio::steady_timer timer(socket->get_executor(), grace);
  co_await timer.async_wait(asio::use_awaitable);
  boost::system::error_code gone;
  const websocket::close_reason reason(websocket::close_code::going_away, "the server restarts");
  co_await socket->async_close(reason, asio::redirect_error(asio::use_awaitable, gone));
}

}  // namespace

asio::awaitable<void> websocket_echo(worker::Server& server, const worker::Request& request,
                                     worker::ResponseWriter& response,
                                     std::chrono::milliseconds grace) {
  const auto upgrade = upgrade_request(request);
  if (!websocket::is_upgrade(upgrade)) {
    response.status(426);
    response.header("Upgrade", "websocket");
    co_return;
  }
  const auto socket = std::make_shared<Socket>(worker::Stream(server, response.hijack()));
  socket->set_option(websocket::stream_base::timeout::suggested(boost::beast::role_type::server));
  boost::system::error_code refused;  // with an answer of Beast's
  co_await socket->async_accept(upgrade, asio::redirect_error(asio::use_awaitable, refused));
  if (refused) co_return;
  std::weak_ptr<Socket> weak = socket;
  socket->next_layer().hijacked().on_drain([weak, grace] {
    if (auto alive = weak.lock()) {
      const auto executor = alive->get_executor();
      asio::co_spawn(executor, say_goodbye(std::move(alive), grace), asio::detached);
    }
  });
  boost::beast::flat_buffer message;
  for (;;) {
    boost::system::error_code ended;
    co_await socket->async_read(message, asio::redirect_error(asio::use_awaitable, ended));
    if (ended) co_return;
    socket->text(socket->got_text());
    co_await socket->async_write(message.data(), asio::redirect_error(asio::use_awaitable, ended));
    if (ended) co_return;
    message.consume(message.size());
  }
}

}  // namespace holdfast::demo
