// Handlers that take the connection.
#include <functional>
#include <utility>

#include <boost/asio/write.hpp>

#include "tests/integration/streams_worker.hpp"

namespace holdfast::testing {
namespace {

constexpr std::string_view kSwitch = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

// A hijacked connection driven by callbacks alone; it lives as long as one of them is owed.
struct Callbacks : std::enable_shared_from_this<Callbacks> {
  explicit Callbacks(Hijacked taken) : stream(std::move(taken)) {}
  void echo() {
    stream.read_some(piece, [self = shared_from_this()](std::optional<std::size_t> n) {
      if (!n || *n == 0) return self->stream.close();
      self->stream.write({self->piece.data(), *n}, [self](bool sent) {
        if (sent) self->echo();
      });
    });
  }
  Hijacked stream;
  std::vector<char> piece = std::vector<char>(16 * 1024);
};

asio::awaitable<void> echo(worker::Stream& stream) {
  std::vector<char> piece(64 * 1024);
  for (;;) {
    boost::system::error_code ended;
    const std::size_t n = co_await stream.async_read_some(
        asio::buffer(piece), asio::redirect_error(asio::use_awaitable, ended));
    if (ended) co_return;
    co_await asio::async_write(stream, asio::buffer(piece, n), asio::use_awaitable);
  }
}

asio::awaitable<void> say(worker::Stream& stream, std::string_view text) {
  co_await asio::async_write(stream, asio::buffer(text), asio::use_awaitable);
}

}  // namespace

void StreamsWorker::add_takeovers() {
  const auto coroutine = [this](const char* path, worker::AwaitableHandler handler) {
    routes[path] = worker::coroutine(server, std::move(handler));
  };
  const auto streaming = [this](const char* path, worker::StreamHandler handler) {
    routes[path] = std::move(handler);
  };

  coroutine("/raw/echo", [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
    worker::Stream stream(server, response.hijack());
    co_await say(stream, kSwitch);
    co_await echo(stream);
  });
  // What came with the head waits until somebody asks.
  coroutine("/raw/late",
            [this](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              worker::Stream stream(server, response.hijack());
              co_await say(stream, kSwitch);
              co_await wait(request.query());
              co_await echo(stream);
            });
  streaming("/raw/callbacks", [](const Request&, ResponseWriter& response, worker::Done done) {
    const auto session = std::make_shared<Callbacks>(response.hijack());
    session->stream.write(kSwitch, [session](bool) { session->echo(); });
    done(nullptr);  // the session goes on without the handler
  });
  // The handler is done, and then the stream dies, all within its call.
  streaming("/raw/scoped", [](const Request&, ResponseWriter& response, worker::Done done) {
    Hijacked stream = response.hijack();
    stream.write(kSwitch, [](bool) {});
    stream.write("short", [](bool) {});
    done(nullptr);
  });
  streaming("/raw/throw", [](const Request&, ResponseWriter& response, worker::Done) {
    static std::vector<std::unique_ptr<Hijacked>> kept;
    kept.push_back(std::make_unique<Hijacked>(response.hijack()));
    kept.back()->write(kSwitch, [](bool) {});
    throw std::runtime_error("thrown behind the hijack");
  });
  coroutine("/raw/throw-later",
            [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              static std::vector<std::unique_ptr<worker::Stream>> kept;
              kept.push_back(std::make_unique<worker::Stream>(server, response.hijack()));
              worker::Stream& stream = *kept.back();
              co_await say(stream, kSwitch);
              std::array<char, 1> byte;
              co_await stream.async_read_some(asio::buffer(byte), asio::use_awaitable);
              throw std::runtime_error("thrown behind the hijack");
            });
  // The exception itself ends the stream, before anybody else sees it.
  coroutine("/raw/unwound",
            [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              worker::Stream stream(server, response.hijack());
              co_await say(stream, kSwitch);
              response.log_field("said", "before");
              throw std::runtime_error("thrown behind the hijack");
            });
  // The handler works on after its stream has ended.
  coroutine("/raw/outlived",
            [this](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              {
                worker::Stream stream(server, response.hijack());
                co_await say(stream, kSwitch);
              }
              co_await wait(request.query());
            });
  // More than a socket takes, and the stream dies with all of it unsent.
  coroutine("/raw/last-words",
            [](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              Hijacked stream = response.hijack();
              stream.write(std::string(kSwitch) + std::string(20'000'000, 'w'), [](bool) {});
              co_return;
            });
  // A read and a blocked write are owed their callbacks when somebody closes.
  coroutine("/raw/close-busy",
            [this](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              Hijacked stream = response.hijack();
              std::array<char, 100> piece;
              const auto owed = std::make_shared<int>(2);
              const auto paid = [this, owed] {
                if (--*owed == 0) open_gate("paid");
              };
              stream.read_some(piece, [this, paid](std::optional<std::size_t> n) {
                counts[n ? "read" : "read ended"]++;
                paid();
              });
              stream.on_drain([this] { ++counts["late drain"]; });
              stream.write(std::string(kSwitch) + std::string(20'000'000, 'w'),
                           [this, paid](bool sent) {
                             counts[sent ? "written" : "write ended"]++;
                             paid();
                           });
              co_await wait(request.query());
              stream.close();
              co_await wait("paid");
              ++counts["close-busy done"];
            });
  // Answers the first bytes of a burst and closes.
  coroutine("/raw/first-only",
            [this](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              const auto session = std::make_shared<Callbacks>(response.hijack());
              session->stream.write(kSwitch, [](bool) {});
              co_await wait(request.query());
              session->stream.read_some(session->piece, [session](std::optional<std::size_t>) {
                session->stream.write("enough", [session](bool) { session->stream.close(); });
              });
            });
  coroutine("/raw/after-the-end",
            [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              worker::Stream stream(server, response.hijack());
              co_await say(stream, kSwitch);
              co_await echo(stream);
              std::array<char, 1> byte;
              boost::system::error_code again;
              co_await stream.async_read_some(asio::buffer(byte),
                                              asio::redirect_error(asio::use_awaitable, again));
              if (again == asio::error::eof) co_await say(stream, "still the end");
            });
  coroutine("/raw/goodbye",
            [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              worker::Stream stream(server, response.hijack());
              stream.hijacked().on_drain([this] { open_gate("drain"); });
              co_await say(stream, kSwitch);
              co_await wait("drain");
              co_await say(stream, "goodbye");
            });
  // Says that it was told to go, and stays.
  coroutine("/raw/stubborn",
            [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              worker::Stream stream(server, response.hijack());
              stream.hijacked().on_drain([this] { open_gate("drain"); });
              co_await say(stream, kSwitch);
              co_await wait("drain");
              co_await say(stream, "never");
              co_await wait("nothing");
            });
  // Takes the connection only when the worker drains already.
  coroutine("/raw/at-drain",
            [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              response.on_drain([this] { open_gate("drain"); });
              ++counts["at-drain"];
              co_await wait("drain");
              worker::Stream stream(server, response.hijack());
              stream.hijacked().on_drain([this] { open_gate("told again"); });
              co_await say(stream, kSwitch);
              co_await wait("told again");
              co_await echo(stream);
            });
}

}  // namespace holdfast::testing
