// A WebSocket echo over a hijacked connection: what a service with Boost.Beast writes.
#pragma once

#include <chrono>

#include <boost/asio/awaitable.hpp>

#include "holdfast/worker/asio.hpp"

namespace holdfast::demo {

// Echoes messages until the client closes. When the worker drains, the client has `grace` to finish
// what it is saying; then it is told to go away (1001, RFC 6455, 7.4.1).
boost::asio::awaitable<void> websocket_echo(worker::Server& server, const worker::Request& request,
                                            worker::ResponseWriter& response,
                                            std::chrono::milliseconds grace);

}  // namespace holdfast::demo
