#include "worker/demo/routes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <unistd.h>
#include <vector>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "worker/demo/files.hpp"

namespace holdfast::demo {
namespace {

namespace asio = boost::asio;
using worker::Request;
using worker::ResponseWriter;

constexpr std::string_view kFiles = "/files/";

std::optional<std::string_view> parameter(const Request& request, std::string_view name) {
  std::string_view rest = request.query();
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
  }
  return std::nullopt;
}

std::chrono::milliseconds duration_parameter(const Request& request, std::string_view name) {
  const auto text = parameter(request, name);
  return text ? parse_duration(*text).value_or(std::chrono::milliseconds{0})
              : std::chrono::milliseconds{0};
}

}  // namespace

Routes::Routes(worker::Server& server, const DemoOptions& options)
    : server_(server),
      options_(options),
      plain_(worker::PlainHandler([this](const Request& q, ResponseWriter& r) { answer(q, r); })),
      later_(worker::coroutine(
          server, [this](const Request& q, ResponseWriter& r) { return answer_later(q, r); })),
      stream_(worker::coroutine(
          server, [this](const Request& q, ResponseWriter& r) { return stream(q, r); })),
      upload_(worker::coroutine(
          server, [this](const Request& q, ResponseWriter& r) { return upload(q, r); })),
      events_(worker::coroutine(
          server, [this](const Request& q, ResponseWriter& r) { return events(q, r); })),
      websocket_(worker::coroutine(server,
                                   [this](const Request& q, ResponseWriter& r) {
                                     return websocket_echo(server_, q, r, options_.ws_grace);
                                   })),
      file_(worker::PlainHandler([this](const Request& q, ResponseWriter& r) {
        serve_file(options_.files, std::string(q.path().substr(kFiles.size())), q, r);
      })),
      crash_(worker::io_context(server)),
      fail_(worker::io_context(server)) {}

void Routes::start() {
  generation_text_ = std::to_string(server_.generation());
  pid_text_ = std::to_string(::getpid());
  server_.default_header("X-Generation", generation_text_);
  server_.default_header("X-Worker", pid_text_);
  if (options_.crash_after.count() >= 0) {
    crash_.expires_after(options_.crash_after);
    crash_.async_wait([](boost::system::error_code failed) {
      if (!failed) std::abort();
    });
  }
  if (options_.answer_500_after.count() >= 0) {
    fail_.expires_after(options_.answer_500_after);
    fail_.async_wait([this](boost::system::error_code failed) { failing_ = !failed; });
  }
}

const worker::Handler& Routes::choose(const Request& request) const {
  const std::string_view path = request.path();
  if (path == "/upload") return upload_;
  if (path == "/stream") return stream_;
  if (path == "/events") return events_;
  if (path == "/ws") return websocket_;
  if (path.starts_with(kFiles)) return file_;
  if (!request.query().empty() && parameter(request, "duration")) return later_;
  return plain_;
}

void Routes::answer(const Request& request, ResponseWriter& response) {
  const std::string_view path = request.path();
  if (failing_) {
    response.status(500);
    response.write("told to fail\n");
  } else if (path == "/") {
    response.header("Content-Type", "text/plain");
    response.write("Hello, world!");
  } else if (path == "/whoami") {
    response.header("Content-Type", "application/json");
    response.write("{\"pid\":" + pid_text_ + ",\"generation\":" + generation_text_ +
                   ",\"worker\":" + std::to_string(server_.worker()) + ",\"client\":\"" +
                   std::string(request.client_address()) + "\"}\n");
  } else if (path == "/readyz") {
    if (!server_.ready()) response.status(503);
    response.header("Content-Type", "text/plain");
    response.write(server_.ready() ? "ready\n" : "stopping\n");
  } else if (path == "/echo") {
    const std::string_view type = request.header("Content-Type");
    response.header("Content-Type", type.empty() ? "application/octet-stream" : type);
    response.write(request.body());
  } else if (path == "/error") {
    throw std::runtime_error("the demo was asked to throw");
  } else {
    response.status(404);
    response.header("Content-Type", "text/plain");
    response.write(
        "no such page; try / /whoami /readyz /echo /upload /stream /events /ws /files/ /error\n");
  }
}

Routes::Awaitable Routes::wait(std::chrono::milliseconds duration) {
  if (duration.count() == 0) co_return;
  asio::steady_timer timer(worker::io_context(server_), duration);
  co_await timer.async_wait(asio::use_awaitable);
}

// A coroutine reads its own body: all of it, for /echo?duration=...
Routes::Awaitable Routes::answer_later(const Request& request, ResponseWriter& response) {
  std::array<char, 4096> piece;
  std::string body;
  for (;;) {
    const std::size_t n = co_await worker::read_body(request, asio::buffer(piece));
    if (n == 0) break;
    body.append(piece.data(), n);
    if (body.size() > options_.server.max_body) {
      response.status(413);
      co_return;
    }
  }
  co_await wait(duration_parameter(request, "duration"));
  if (request.path() == "/echo" && !failing_) {
    response.write(body);
    co_return;
  }
  answer(request, response);
}

Routes::Awaitable Routes::stream(const Request& request, ResponseWriter& response) {
  co_await wait(duration_parameter(request, "duration"));
  const auto text = parameter(request, "chunks").value_or("10");
  std::size_t chunks = 0;
  std::from_chars(text.data(), text.data() + text.size(), chunks);
  chunks = std::min<std::size_t>(chunks, 1'000'000);
  const auto interval = duration_parameter(request, "interval");
  response.header("Content-Type", "text/plain");
  for (std::size_t i = 0; i < chunks; ++i) {
    if (i != 0) co_await wait(interval);
    response.write("chunk " + std::to_string(i) + "\n");
    co_await worker::flush(response);
  }
}

Routes::Awaitable Routes::upload(const Request& request, ResponseWriter& response) {
  co_await wait(duration_parameter(request, "duration"));
  std::vector<char> piece(64 * 1024);
  std::uint64_t bytes = 0;
  std::uint64_t sum = 0xcbf29ce484222325;  // FNV-1a, so that a client sees what arrived
  for (;;) {
    const std::size_t n = co_await worker::read_body(request, asio::buffer(piece));
    if (n == 0) break;
    bytes += n;
    for (std::size_t i = 0; i < n; ++i)
      sum = (sum ^ static_cast<unsigned char>(piece[i])) * 0x100000001b3;
  }
  response.header("X-Checksum", std::to_string(sum));
  response.header("Content-Type", "application/json");
  response.write("{\"bytes\":" + std::to_string(bytes) + "}\n");
}

// Server-sent events (WHATWG HTML, 9.2), one each `interval`, until the client leaves or the worker
// drains. The last one tells the client to come back at once: to another worker.
Routes::Awaitable Routes::events(const Request& request, ResponseWriter& response) {
  const auto asked = duration_parameter(request, "interval");
  const auto interval = asked.count() == 0 ? std::chrono::milliseconds(1000) : asked;
  asio::steady_timer timer(worker::io_context(server_));
  bool over = false;
  const auto end = [&over, &timer] {
    over = true;
    timer.cancel();
  };
  response.on_drain(end);
  response.on_client_closed(end);
  response.header("Content-Type", "text/event-stream");
  response.header("Cache-Control", "no-store");
  for (int i = 0; !over; ++i) {
    response.write("id: " + std::to_string(i) + "\ndata: " + generation_text_ + "\n\n");
    co_await worker::flush(response);
    if (over) break;
    timer.expires_after(interval);
    boost::system::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
  response.write("event: bye\nretry: 0\ndata: " + generation_text_ + "\n\n");
}

}  // namespace holdfast::demo
