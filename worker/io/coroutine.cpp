// Coroutines over streaming handlers (holdfast/worker/asio.hpp).
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "holdfast/worker/asio.hpp"
#include "worker/io/server_impl.hpp"

namespace holdfast::worker {
namespace {

namespace asio = boost::asio;

boost::system::error_code client_gone() {
  return asio::error::make_error_code(asio::error::connection_aborted);
}

}  // namespace

class AsioAccess {
 public:
  static asio::io_context& io(Server& server) { return server.impl_->io(); }
};

asio::io_context& io_context(Server& server) { return AsioAccess::io(server); }

Handler coroutine(Server& server, AwaitableHandler handler) {
  auto* io = &AsioAccess::io(server);
  return StreamHandler([io, handler = std::move(handler)](const Request& request,
                                                          ResponseWriter& response, Done done) {
    asio::co_spawn(*io, handler(request, response),
                   [done = std::move(done)](std::exception_ptr error) { done(error); });
  });
}

asio::awaitable<std::size_t> read_body(const Request& request, asio::mutable_buffer into) {
  const auto start = [&request, into](auto handler) {
    const auto executor = asio::get_associated_executor(handler);
    const detail::Deferred done(std::move(handler), executor);
    request.read_body({static_cast<char*>(into.data()), into.size()},
                      [done](std::optional<std::size_t> read) {
                        done(read ? boost::system::error_code() : client_gone(), read.value_or(0));
                      });
    done.started();
  };
  return asio::async_initiate<const asio::use_awaitable_t<>,
                              void(boost::system::error_code, std::size_t)>(start,
                                                                            asio::use_awaitable);
}

asio::awaitable<void> flush(ResponseWriter& response) {
  const auto start = [&response](auto handler) {
    const auto executor = asio::get_associated_executor(handler);
    const detail::Deferred done(std::move(handler), executor);
    response.on_flushed(
        [done](bool sent) { done(sent ? boost::system::error_code() : client_gone()); });
    done.started();
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
      start, asio::use_awaitable);
}

}  // namespace holdfast::worker
