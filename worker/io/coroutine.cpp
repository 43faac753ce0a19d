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

// A completion handler must not run inside the call that starts the operation, and ours may come at
// once.
template <typename Handler>
class Deferred {
 public:
  explicit Deferred(Handler handler) : state_(std::make_shared<State>(std::move(handler))) {}

  template <typename... Results>
  void operator()(Results... results) const {
    if (!state_->initiating) return std::move(state_->handler)(results...);
    auto executor = asio::get_associated_executor(state_->handler);
    asio::post(executor, [state = state_, results...] { std::move(state->handler)(results...); });
  }
  void initiated() const { state_->initiating = false; }

 private:
  struct State {
    explicit State(Handler h) : handler(std::move(h)) {}
    Handler handler;
    bool initiating = true;
  };
  std::shared_ptr<State> state_;
};

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
    Deferred deferred(std::move(handler));
    request.read_body({static_cast<char*>(into.data()), into.size()},
                      [deferred](std::optional<std::size_t> read) {
                        deferred(read ? boost::system::error_code() : client_gone(),
                                 read.value_or(0));
                      });
    deferred.initiated();
  };
  return asio::async_initiate<const asio::use_awaitable_t<>,
                              void(boost::system::error_code, std::size_t)>(start,
                                                                            asio::use_awaitable);
}

asio::awaitable<void> flush(ResponseWriter& response) {
  const auto start = [&response](auto handler) {
    Deferred deferred(std::move(handler));
    response.on_flushed(
        [deferred](bool sent) { deferred(sent ? boost::system::error_code() : client_gone()); });
    deferred.initiated();
  };
  return asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
      start, asio::use_awaitable);
}

}  // namespace holdfast::worker
