#include "tests/support/request_path.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "worker/io/access_log.hpp"
#include "worker/io/listener_profile.hpp"
#include "worker/io/sessions.hpp"

namespace holdfast::testing {
namespace {

using namespace worker;

constexpr std::chrono::seconds kPatience{20};

Options server_options(const RequestPathOptions& wanted) {
  Options options;
  options.max_head = wanted.max_head;
  options.max_body = wanted.max_body;
  options.trusted_proxies = {"unix:", "10.0.0.0/8"};
  return options;
}

UniqueFd memory_file() {
  UniqueFd fd(::memfd_create("access_log", MFD_CLOEXEC));
  if (!fd) throw std::runtime_error("no memfd");
  return fd;
}

}  // namespace

struct RequestPath::World {
  explicit World(const RequestPathOptions& wanted)
      : options(server_options(wanted)),
        listener{.name = "pair", .tls = false, .proxy_protocol = wanted.proxy_protocol},
        plain(
            PlainHandler([this](const Request& q, ResponseWriter& r) { answer(q, r, q.body()); })),
        stream(StreamHandler([this](const Request& q, ResponseWriter& r, Done done) {
          read_on(q, r, std::move(done), std::make_shared<Piece>());
        })),
        selector([this, wanted](const Request& q) -> const Handler& {
          using Kind = RequestPathOptions::Handlers;
          if (wanted.handlers != Kind::ByPath)
            return wanted.handlers == Kind::Plain ? plain : stream;
          return q.path().starts_with("/s") ? stream : plain;
        }),
        log(io, clock),
        log_file(memory_file()),
        sessions(io, clock, options, selector, log, [] {}) {
    log.open(UniqueFd(::dup(log_file.get())));
    sessions.requests().trust(options.trusted_proxies).value();
    listener.place = sessions.requests().listeners().place_of(listener.name);
    sessions.poller().start();
    io.poll();
  }

  struct Piece {
    std::array<char, 37> bytes;
    std::string body;
  };

  // What a service does with what it is given: looks at all of it, and echoes.
  void answer(const Request& request, ResponseWriter& response, std::string_view body) {
    handled.push_back(std::string(request.method()) + ' ' + std::string(request.target()));
    const std::string_view path = request.path();
    if (path.ends_with("/throw")) throw std::runtime_error("told to");
    if (path.ends_with("/204")) response.status(204);
    response.header("X-Client", request.client_address());
    response.log_field("host", request.host());
    response.log_field("query", request.query());
    for (const Field& field : request.headers()) response.log_field("name", field.name);
    if (path.ends_with("/flush")) {
      response.write("begun ");
      response.flush();
      response.trailer("X-End", "yes");
    }
    response.write(body);
  }

  void read_on(const Request& request, ResponseWriter& response, Done done,
               std::shared_ptr<Piece> piece) {
    request.read_body(piece->bytes, [this, &request, &response, done = std::move(done),
                                     piece](std::optional<std::size_t> n) mutable {
      if (!n) return done(std::make_exception_ptr(std::runtime_error("the client is gone")));
      if (*n != 0) {
        piece->body.append(piece->bytes.data(), *n);
        return read_on(request, response, std::move(done), piece);
      }
      std::exception_ptr error;
      try {
        answer(request, response, piece->body);
      } catch (...) {
        error = std::current_exception();
      }
      done(error);
    });
  }

  Options options;
  ListenerProfile listener;
  std::vector<std::string> handled;
  boost::asio::io_context io{1};
  LoopClock clock{io, nullptr};
  Handler plain;
  Handler stream;
  Selector selector;
  AccessLog log;
  UniqueFd log_file;
  Sessions sessions;
};

RequestPath::RequestPath(RequestPathOptions options) : world_(std::make_unique<World>(options)) {}
RequestPath::~RequestPath() = default;

PathResult RequestPath::run(std::string_view bytes, std::size_t step) {
  World& world = *world_;
  PathResult result;
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0)
    throw std::runtime_error("no socketpair");
  const UniqueFd client(pair[0]);
  world.handled.clear();
  world.sessions.adopt(UniqueFd(pair[1]), PeerAddress(), world.listener);
  const auto begun = std::chrono::steady_clock::now();
  std::array<char, 64 * 1024> piece;
  bool ended = false;
  bool closed = false;
  while (!closed) {
    const std::size_t size = std::min(step, bytes.size());
    if (size != 0) {
      const ssize_t n = ::send(client.get(), bytes.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN) bytes = {};  // the server has closed
    } else if (!ended) {
      ended = true;
      ::shutdown(client.get(), SHUT_WR);
    }
    if (world.io.poll() == 0 && ended) world.io.run_one_for(std::chrono::milliseconds(100));
    for (;;) {
      const ssize_t n = ::recv(client.get(), piece.data(), piece.size(), MSG_DONTWAIT);
      if (n > 0) result.sent.append(piece.data(), static_cast<std::size_t>(n));
      if (n == 0 || (n < 0 && errno != EAGAIN)) closed = true;
      if (n <= 0) break;
    }
    if (std::chrono::steady_clock::now() - begun > kPatience) {
      result.hung = true;
      return result;
    }
  }
  // The end of a connection and what it sets off may be a turn later.
  ::shutdown(client.get(), SHUT_RDWR);
  for (int i = 0; i < 100 && world.sessions.size() != 0; ++i) {
    world.io.poll();
    if (world.sessions.size() != 0) world.io.run_one_for(std::chrono::milliseconds(10));
  }
  world.io.poll();
  result.left = world.sessions.size() + world.sessions.stats().in_flight;
  result.handled = world.handled;

  world.log.close(Millis(0), world.sessions.poller(),
                  [](std::uint64_t) {});  // to a file, so at once
  std::string text(static_cast<std::size_t>(::lseek(world.log_file.get(), 0, SEEK_END)), '\0');
  if (::pread(world.log_file.get(), text.data(), text.size(), 0) < 0) text.clear();
  if (::ftruncate(world.log_file.get(), 0) == 0) ::lseek(world.log_file.get(), 0, SEEK_SET);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    auto parsed = nlohmann::json::parse(line, nullptr, false);
    if (end == text.size() || !parsed.is_object() || line.size() >= 4096) result.bad_line = line;
    result.lines.push_back(std::move(parsed));
    at = end + 1;
  }
  return result;
}

}  // namespace holdfast::testing
