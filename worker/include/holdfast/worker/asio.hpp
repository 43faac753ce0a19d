// Handlers as coroutines, and what they await. The only public header that knows Boost.Asio. The
// coroutine runs in the server's io_context (co_await boost::asio::this_coro::executor), so timers
// and sockets of its own just work.
#pragma once

#include <functional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>

#include "holdfast/worker/handler.hpp"
#include "holdfast/worker/server.hpp"

namespace holdfast::worker {

using AwaitableHandler =
    std::function<boost::asio::awaitable<void>(const Request&, ResponseWriter&)>;

// The server's io_context; it runs inside Server::run().
boost::asio::io_context& io_context(Server& server);

// A handler made of a coroutine: co_returning finishes the response, throwing is an error of the
// handler.
Handler coroutine(Server& server, AwaitableHandler handler);

// At least one byte of the body, or 0 at its end. Throws boost::system::system_error when the
// client is gone or too slow.
boost::asio::awaitable<std::size_t> read_body(const Request& request,
                                              boost::asio::mutable_buffer into);

// Sends what was written and waits until the kernel has it: the back-pressure of a streamed
// response. Throws as above.
boost::asio::awaitable<void> flush(ResponseWriter& response);

}  // namespace holdfast::worker
