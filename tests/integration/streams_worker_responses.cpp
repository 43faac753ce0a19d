// Handlers that stream: responses, files, bodies.
#include <array>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>

#include "tests/integration/streams_worker.hpp"

namespace holdfast::testing {
namespace {

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

asio::awaitable<std::uint64_t> count_body(const Request& request) {
  std::vector<char> piece(64 * 1024);
  std::uint64_t bytes = 0;
  for (;;) {
    const std::size_t n = co_await worker::read_body(request, asio::buffer(piece));
    if (n == 0) co_return bytes;
    bytes += n;
  }
}

// Of the request's X-File, whole unless X-Length says less; closed by the caller's side at once.
void add_file(const Request& request, ResponseWriter& response) {
  const int fd = ::open(std::string(request.header("X-File")).c_str(), O_RDONLY | O_CLOEXEC);
  const std::string_view length = request.header("X-Length");
  const auto size =
      length.empty() ? static_cast<std::uint64_t>(::lseek(fd, 0, SEEK_END)) : number(length);
  response.send_file(fd, number(request.header("X-Offset")), size);
  ::close(fd);
}

}  // namespace

void StreamsWorker::add_responses() {
  const auto coroutine = [this](const char* path, worker::AwaitableHandler handler) {
    routes[path] = worker::coroutine(server, std::move(handler));
  };
  const auto plain = [this](const char* path, worker::PlainHandler handler) {
    routes[path] = std::move(handler);
  };

  coroutine("/flood", [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
    const std::string piece(64 * 1024, 'f');
    for (;;) {
      response.write(piece);
      co_await worker::flush(response);
      ++counts["flood"];
    }
  });
  coroutine("/pieces", [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
    response.write("first");
    co_await worker::flush(response);
    co_await wait("second");
    response.write("second");
  });
  coroutine("/declared", [](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
    response.content_length(10);
    response.write("12345");
    co_await worker::flush(response);
    response.write("67890");
  });
  plain("/trailers", [](const Request&, ResponseWriter& response) {
    response.header("Trailer", "X-Sum");
    response.write("body");
    response.trailer("X-Sum", "42");
    response.flush();
  });

  // Files
  plain("/file/whole", add_file);
  plain("/file/behind", [](const Request& request, ResponseWriter& response) {
    response.write("in front|");
    add_file(request, response);
  });
  plain("/file/declared", [](const Request& request, ResponseWriter& response) {
    response.content_length(number(request.header("X-Declared")));
    response.write("in front|");
    add_file(request, response);
    response.write("|behind");
  });
  plain("/file/chunked", [](const Request& request, ResponseWriter& response) {
    response.write("in front|");
    response.flush();
    add_file(request, response);
    response.write("|behind");
    response.trailer("X-Sum", "42");
  });
  coroutine("/file/two",
            [](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              response.write("in front|");
              response.flush();
              add_file(request, response);
              co_await worker::flush(response);
              response.write("|between|");
              add_file(request, response);
              co_await worker::flush(response);
              response.write("|behind");
            });
  plain("/file/directory", [](const Request&, ResponseWriter& response) {
    const int fd = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    response.send_file(fd, 0, 100);
    ::close(fd);
  });

  // Clients that leave, and the drain
  coroutine("/patient",
            [this](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              response.on_client_closed([this] { ++counts["told"]; });
              ++counts["patient"];
              co_await wait(request.query());
              response.write("answered all the same");
            });
  // Everything that may outlive its handler: none of it may be called once the handler is done.
  coroutine("/short", [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
    auto frame = std::make_unique<std::string>(100'000, 's');
    response.on_client_closed([this, &frame] { counts["late"] += frame->size() != 100'000; });
    response.on_drain([this, &frame] { counts["late"] += frame->size() != 100'000; });
    ++counts["short"];
    for (int i = 0; i < 100; ++i) response.write(*frame);
    co_return;
  });
  // A frame that waits for a flush when its client leaves.
  coroutine("/stuck", [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
    const std::string piece(1'000'000, 's');
    auto frame = std::make_unique<int>(0);
    response.on_client_closed([this, &frame] { counts["told"] += ++*frame; });
    response.on_drain([this, &frame] { counts["drain"] += ++*frame; });
    for (;;) {
      response.write(piece);
      ++counts["stuck"];
      co_await worker::flush(response);
    }
  });
  coroutine("/until-drain",
            [this](const Request&, ResponseWriter& response) -> asio::awaitable<void> {
              response.on_drain([this] { open_gate("drain"); });
              response.write("waiting");
              co_await worker::flush(response);
              co_await wait("drain");
              response.write(" drained");
            });

  // Bodies
  coroutine("/later",
            [this](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              ++counts["later"];
              co_await wait(request.query());
              const std::uint64_t bytes = co_await count_body(request);
              response.write(std::to_string(bytes));
            });
  coroutine("/early",
            [](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              response.status(static_cast<int>(number(request.query())));
              response.write(std::string(300'000, 'e'));
              co_return;
            });
  coroutine("/head-first",
            [](const Request& request, ResponseWriter& response) -> asio::awaitable<void> {
              response.write("head first, ");
              co_await worker::flush(response);
              const std::uint64_t bytes = co_await count_body(request);
              response.write(std::to_string(bytes));
            });
}

}  // namespace holdfast::testing
