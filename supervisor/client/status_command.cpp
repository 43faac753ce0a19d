#include <csignal>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shared/core/json_fields.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/client/client.hpp"
#include "supervisor/client/control_connection.hpp"
#include "supervisor/client/status_screen.hpp"

namespace holdfast::supervisor {
namespace {

constexpr Millis kWatchEvery{1'000};

// 0: no terminal, so no bound.
std::size_t screen_rows() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_row > 1 ? size.ws_row - 1U : 0U;
}

// With its fields in their order.
std::string reply_text(const std::string& reply, bool last_failure) {
  using Ordered = nlohmann::ordered_json;
  const Ordered status = Ordered::parse(reply, nullptr, false).value("status", Ordered::object());
  const Ordered wanted = last_failure ? status.value("last_failure", Ordered::object()) : status;
  return wanted.dump(-1, ' ', false, Ordered::error_handler_t::replace) + "\n";
}

std::string text_of_status(const ClientOptions& options, const Reply& reply, std::size_t rows) {
  if (options.json) return reply_text(reply.line, options.last_failure);
  const nlohmann::json& status = json_object(reply.json, "status");
  return options.last_failure ? render_last_failure(status) : render_status(status, rows);
}

}  // namespace

int run_status(const ClientOptions& options) {
  const Target target = find_target(options);
  auto connection = ControlConnection::open(target);
  if (!connection) return say_failure(failure_of(connection.error(), target));
  for (;;) {
    const auto reply =
        connection->reply_to(StatusRequest{}, options.timeout.value_or(kReplyWithin));
    if (!reply) return say_failure(reply.error());
    const nlohmann::json& status = json_object(reply->json, "status");
    const std::size_t rows = screen_rows();
    const std::string home = options.watch && !options.json && rows > 0 ? "\x1b[H\x1b[J" : "";
    const bool degraded = is_degraded(status) && !options.last_failure;
    const int code = print_out(home + text_of_status(options, *reply, rows),
                               degraded ? ExitCode::Degraded : ExitCode::Ok);
    if (!options.watch) return code;
    // Ends at Ctrl-C, with the supervisor, or with who reads us.
    pollfd reader{STDOUT_FILENO, 0, 0};
    if (::poll(&reader, 1, static_cast<int>(kWatchEvery.count())) > 0) return to_int(ExitCode::Ok);
  }
}

}  // namespace holdfast::supervisor
