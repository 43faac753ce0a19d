// Handlers as coroutines, and what they await. The only public header that knows Boost.Asio. The
// coroutine runs in the server's io_context (co_await boost::asio::this_coro::executor), so timers
// and sockets of its own just work.
#pragma once

#ifdef HOLDFAST_WORKER_SHARED
#error "holdfast/worker/asio.hpp needs the static library: link holdfast::worker"
#endif

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/version.hpp>

#include "holdfast/worker/handler.hpp"
#include "holdfast/worker/server.hpp"

#if defined(HOLDFAST_WORKER_BOOST_VERSION) && HOLDFAST_WORKER_BOOST_VERSION != BOOST_VERSION
#error "holdfast/worker/asio.hpp needs the version of Boost that the library was built with"
#endif

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

namespace detail {

// What a completion handler is called through: never inside the call that started the operation,
// which may be done at once, and copyable, which handlers need not be.
template <typename Handler, typename Executor>
class Deferred {
 public:
  Deferred(Handler handler, const Executor& fallback)
      : state_(std::make_shared<State>(std::move(handler), fallback)) {}

  template <typename... Results>
  void operator()(Results... results) const {
    const auto executor = boost::asio::get_associated_executor(state_->handler, state_->fallback);
    auto call = [state = state_, results...] { std::move(state->handler)(results...); };
    if (state_->starting) {
      boost::asio::post(executor, std::move(call));
    } else {
      boost::asio::dispatch(executor, std::move(call));
    }
  }
  void started() const { state_->starting = false; }

 private:
  struct State {
    State(Handler h, const Executor& e) : handler(std::move(h)), fallback(e) {}
    Handler handler;
    Executor fallback;
    bool starting = true;
  };
  std::shared_ptr<State> state_;
};

}  // namespace detail

// A hijacked connection as Asio's AsyncReadStream and AsyncWriteStream, so that what is made for
// sockets works over it: boost::beast::websocket::stream<Stream>, with TLS below it or without.
class Stream {
 public:
  using executor_type = boost::asio::io_context::executor_type;

  Stream(Server& server, Hijacked hijacked)
      : executor_(io_context(server).get_executor()), hijacked_(std::move(hijacked)) {}

  executor_type get_executor() const { return executor_; }
  Hijacked& hijacked() { return hijacked_; }

  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, const Buffers& into) { this->start_read(std::move(handler), into); },
        token, buffers);
  }

  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, std::size_t)>(
        [this](auto handler, const Buffers& from) { this->start_write(std::move(handler), from); },
        token, buffers);
  }

  // What Beast's websocket asks of a stream that it ends.
  template <typename Handler>
  friend void async_teardown(boost::beast::role_type, Stream& stream, Handler&& handler) {
    stream.hijacked_.close();
    boost::asio::post(stream.executor_, [handler = std::forward<Handler>(handler)]() mutable {
      std::move(handler)(boost::system::error_code());
    });
  }
  friend void beast_close_socket(Stream& stream) { stream.hijacked_.close(); }

 private:
  // One write(2) for the pieces of a frame, up to this much.
  static constexpr std::size_t kWriteMost = 64 * 1024;

  template <typename Handler, typename Buffers>
  void start_read(Handler handler, const Buffers& buffers) {
    boost::asio::mutable_buffer into;
    for (auto at = boost::asio::buffer_sequence_begin(buffers);
         at != boost::asio::buffer_sequence_end(buffers) && into.size() == 0; ++at)
      into = boost::asio::mutable_buffer(*at);
    const detail::Deferred<Handler, executor_type> done(std::move(handler), executor_);
    if (into.size() == 0) {
      done(boost::system::error_code(), std::size_t{0});
    } else {
      hijacked_.read_some({static_cast<char*>(into.data()), into.size()},
                          [done](std::optional<std::size_t> read) {
                            boost::system::error_code failed;
                            if (!read) failed = boost::asio::error::connection_aborted;
                            if (read == std::size_t{0}) failed = boost::asio::error::eof;
                            done(failed, read.value_or(0));
                          });
    }
    done.started();
  }

  template <typename Handler, typename Buffers>
  void start_write(Handler handler, const Buffers& buffers) {
    std::string bytes(std::min(boost::asio::buffer_size(buffers), kWriteMost), '\0');
    boost::asio::buffer_copy(boost::asio::buffer(bytes), buffers);
    const detail::Deferred<Handler, executor_type> done(std::move(handler), executor_);
    hijacked_.write(bytes, [done, size = bytes.size()](bool sent) {
      boost::system::error_code failed;
      if (!sent) failed = boost::asio::error::connection_aborted;
      done(failed, sent ? size : std::size_t{0});
    });
    done.started();
  }

  executor_type executor_;
  Hijacked hijacked_;
};

}  // namespace holdfast::worker
