#include <unistd.h>

#include "shared/core/json_fields.hpp"
#include "shared/core/prometheus_text.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/client/client.hpp"
#include "supervisor/client/control_connection.hpp"

namespace holdfast::supervisor {

int run_metrics(const ClientOptions& options) {
  const Target target = find_target(options);
  auto connection = ControlConnection::open(target);
  if (!connection) return say_failure(failure_of(connection.error(), target));
  const auto reply = connection->reply_to(StatusRequest{}, options.timeout.value_or(kReplyWithin));
  if (!reply) return say_failure(reply.error());
  const auto text = prometheus_text(json_object(reply->json, "status").dump());
  if (!text) return say_failure({ExitCode::Failure, text.error().message});
  return print_out(*text);
}

}  // namespace holdfast::supervisor
