#include <chrono>
#include <holdfast/version.h>
#include <holdfast/worker/asio.hpp>
#include <string>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace asio = boost::asio;
using namespace holdfast::worker;

asio::awaitable<void> answer(const Request& request, ResponseWriter& response) {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(1));
  co_await timer.async_wait(asio::use_awaitable);
  response.write("coroutine " HOLDFAST_VERSION_STRING " ");
  co_await flush(response);
  response.write("generation " + std::to_string(request.generation()) + "\n");
}

int main() {
  Server server;
  server.handle(coroutine(server, answer));
  return server.run();
}
