// Who the client is: the peer, or whom a PROXY header and trusted proxies name.
#include "worker/core/ascii.hpp"
#include "worker/core/forwarded.hpp"
#include "worker/io/request_log.hpp"

namespace holdfast::worker {

Result<void> RequestLog::trust(const std::vector<std::string>& networks) {
  HOLDFAST_ASSIGN(trusted_, TrustedProxies::parse(networks));
  return {};
}

// Nothing where nobody who may say so said more than the socket does.
std::optional<PeerAddress> RequestLog::told_client(const Exchange& exchange,
                                                   const Connection& connection) const {
  std::optional<PeerAddress> told;
  if (connection.extra) told = connection.extra->client;
  if (trusted_.empty() || !exchange.head_parsed) return told;
  ForwardedWalk walk(trusted_, told.value_or(connection.peer).address());
  const std::span<const ParsedField> fields = exchange.parser.fields();
  for (auto field = fields.rbegin(); walk.going() && field != fields.rend(); ++field) {
    if (equals_ignoring_case(field->name, "x-forwarded-for")) walk.field(field->value);
  }
  if (walk.client()) told = PeerAddress::from(*walk.client(), 0);
  return told;
}

std::string_view RequestLog::client_address(Exchange& exchange) const {
  const Connection* const connection = exchange.connection;
  if (connection == nullptr) return {};
  return told_client(exchange, *connection).value_or(connection->peer).ip(exchange.client_text);
}

}  // namespace holdfast::worker
