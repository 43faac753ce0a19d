// The two kinds of handler. A plain one gets the whole body and answers before it returns: nothing
// is allocated for it. A streaming one is called when the head is complete and answers when it
// likes; coroutines (asio.hpp) are made of it.
#pragma once

#include <exception>
#include <functional>
#include <variant>

#include "holdfast/worker/request.hpp"
#include "holdfast/worker/response_writer.hpp"

namespace holdfast::worker {

using PlainHandler = std::function<void(const Request&, ResponseWriter&)>;

// Called exactly once, on the worker's thread; Request and ResponseWriter are gone afterwards. With
// an exception: 500 if nothing was sent, else the connection is cut.
using Done = std::function<void(std::exception_ptr)>;
using StreamHandler = std::function<void(const Request&, ResponseWriter&, Done)>;

using Handler = std::variant<PlainHandler, StreamHandler>;

// Chooses the handler once the head is complete; the body is not there yet. The handler must
// outlive the server.
using Selector = std::function<const Handler&(const Request&)>;

}  // namespace holdfast::worker
