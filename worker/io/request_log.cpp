#include "worker/io/request_log.hpp"

#include <algorithm>
#include <unistd.h>
#include <utility>

#include "worker/core/ascii.hpp"
#include "worker/core/head_reader.hpp"
#include "worker/core/request_line.hpp"

namespace holdfast::worker {

RequestLog::RequestLog(AccessLog& log, WallClock& wall, const Options& options)
    : log_(log),
      wall_(wall),
      options_(options),
      pid_(static_cast<std::uint64_t>(::getpid())),
      usual_request_id_(equals_ignoring_case(options.request_id_header, "X-Request-ID")) {}

std::string_view RequestLog::given_request_id(const Exchange& exchange) const {
  if (!exchange.head_parsed) return {};
  if (usual_request_id_) return exchange.parser.head().request_id;
  for (const ParsedField& field : exchange.parser.fields()) {
    if (equals_ignoring_case(field.name, options_.request_id_header) &&
        valid_request_id(field.value))
      return field.value;
  }
  return {};
}

std::string& RequestLog::request_id(Exchange& exchange) {
  if (!exchange.request_id.empty()) return exchange.request_id;
  if (const std::string_view given = given_request_id(exchange); !given.empty()) {
    exchange.request_id = given;
    return exchange.request_id;
  }
  return exchange.request_id = ids_.next();
}

std::string_view RequestLog::request_id_field() const {
  return options_.echo_request_id ? std::string_view(options_.request_id_header)
                                  : std::string_view{};
}

std::string_view RequestLog::remote_address(Exchange& exchange) const {
  return exchange.connection != nullptr ? exchange.connection->peer.ip(exchange.remote_text)
                                        : std::string_view{};
}

ConnectionName RequestLog::name_of(const Connection& connection) const {
  if (connection.origin) return connection.origin->id;
  return {identity_.generation, identity_.worker, connection.number};
}

void RequestLog::add(Exchange& exchange, const Connection& connection, TimePoint now,
                     bool draining) {
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - exchange.started);
  listeners_.responded(connection.listener->place, exchange.status, exchange.bytes_received,
                       exchange.bytes_sent, took);
  if (!log_.enabled()) return;
  const WallTime wall = wall_.at(now);
  AccessRecord record;
  record.logged_at = wall;
  record.start_at = wall - took;
  record.response_time = took;
  if (exchange.head_parsed) {
    const RequestHead& head = exchange.parser.head();
    record.protocol = head.minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
    record.http_method = head.method;
    record.url = head.target;
    record.http_host = head.host;
    record.http_user_agent = head.user_agent;
    record.http_referer = head.referer;
  } else {
    const RequestLine line = read_request_line(
        first_line(exchange.head_copy.empty() ? exchange.in : exchange.head_copy));
    record.protocol = line.protocol;
    record.http_method = line.method;
    record.url = line.target;
  }
  record.http_status_code = exchange.status;
  record.request_size = exchange.request_size;
  // Framing that is left unsent with them makes this a few bytes too little, never too much.
  const std::size_t unsent = exchange.out.size() - exchange.out_begin + exchange.behind_file.size();
  record.response_size =
      exchange.response_size - std::min<std::uint64_t>(exchange.response_size, unsent);
  record.bytes_received = exchange.bytes_received;
  record.bytes_sent = exchange.bytes_sent;
  record.remote_ipaddr = connection.peer.ip(exchange.remote_text);
  record.remote_port = connection.peer.port();
  if (const auto client = told_client(exchange, connection))
    record.client_ip = client->ip(exchange.client_text);
  record.request_id = request_id(exchange);
  record.listener = connection.listener->name;
  record.conn_id = name_of(connection);
  record.conn_requests = connection.machine.requests;
  record.pid = pid_;
  record.worker = identity_.worker;
  record.generation = identity_.generation;
  record.label = identity_.label;
  record.draining = draining;
  if (connection.origin)
    record.handed_off_from = std::exchange(connection.origin->handed_off_from, 0);
  record.completion = exchange.completion;
  TlsInfo tls;
  if (connection.extra && connection.extra->tls) {
    tls = connection.extra->tls->info();
    record.tls = &tls;
  }
  record.fields = exchange.log_fields();
  log_.write(record);
}

void RequestLog::add_refusal(const Connection& connection, const char* type, std::string_view error,
                             TimePoint now) {
  if (!log_.enabled()) return;
  HandshakeRecord record;
  record.type = type;
  record.logged_at = wall_.at(now);
  record.error = error;
  PeerAddress::Text peer{};
  record.remote_ipaddr = connection.peer.ip(peer);
  record.remote_port = connection.peer.port();
  PeerAddress::Text client{};
  if (connection.extra->client) record.client_ip = connection.extra->client->ip(client);
  record.listener = connection.listener->name;
  record.conn_id = name_of(connection);
  record.pid = pid_;
  record.worker = identity_.worker;
  record.generation = identity_.generation;
  log_.write(record);
}

}  // namespace holdfast::worker
