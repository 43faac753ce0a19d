// Request and ResponseWriter, as handlers see them, over the exchange.
#include <stdexcept>

#include "worker/core/ascii.hpp"
#include "worker/core/request_target.hpp"
#include "worker/io/connection.hpp"
#include "worker/io/exchange.hpp"
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

// Request
// ------------------------------------------------------------------------------------------------------------

std::string_view Request::method() const { return exchange_.parser.head().method; }
std::string_view Request::target() const { return exchange_.parser.head().target; }
std::string_view Request::path() const { return target_path(target()); }
std::string_view Request::query() const { return target_query(target()); }
std::string_view Request::host() const { return exchange_.parser.head().host; }
int Request::minor_version() const { return exchange_.parser.head().minor; }
std::string_view Request::header(std::string_view name) const {
  for (const ParsedField& field : exchange_.parser.fields()) {
    if (equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}
std::span<const Field> Request::headers() const { return exchange_.request_fields(); }
std::string_view Request::body() const { return exchange_.body_view; }
std::optional<std::uint64_t> Request::content_length() const {
  const RequestHead& head = exchange_.parser.head();
  return head.has_length ? std::optional(head.content_length) : std::nullopt;
}
void Request::read_body(std::span<char> into, BodyCallback callback) const {
  exchange_.sessions().read_body(exchange_, into, std::move(callback));
}
const std::string& Request::request_id() const {
  return exchange_.sessions().requests().request_id(exchange_);
}
std::string_view Request::remote_address() const {
  return exchange_.sessions().requests().remote_address(exchange_);
}
std::string_view Request::client_address() const {
  return exchange_.sessions().requests().client_address(exchange_);
}
std::uint16_t Request::remote_port() const {
  return exchange_.connection != nullptr ? exchange_.connection->peer.port() : std::uint16_t{0};
}
std::string_view Request::listener() const {
  return exchange_.connection != nullptr ? std::string_view(exchange_.connection->listener->name)
                                         : std::string_view{};
}
std::uint64_t Request::connection() const {
  return exchange_.connection != nullptr ? exchange_.connection->number : 0;
}
std::uint64_t Request::generation() const {
  return exchange_.sessions().requests().identity().generation;
}
std::uint64_t Request::worker() const { return exchange_.sessions().requests().identity().worker; }
bool Request::draining() const { return exchange_.sessions().draining(); }

// ResponseWriter
// -----------------------------------------------------------------------------------------------------

void ResponseWriter::status(int code) {
  if (exchange_.head_sent) throw std::logic_error("the response's head is already sent");
  if (code < 200 || code > 999) throw std::invalid_argument("a status is 200 to 999");
  exchange_.status = code;
}
void ResponseWriter::header(std::string_view name, std::string_view value) {
  exchange_.set_header(name, value);
}
void ResponseWriter::content_length(std::uint64_t bytes) {
  if (exchange_.head_sent) throw std::logic_error("the response's head is already sent");
  exchange_.declared_length = bytes;
}
void ResponseWriter::write(std::string_view bytes) { exchange_.write_body(bytes); }
void ResponseWriter::flush() { exchange_.sessions().flush(exchange_); }
void ResponseWriter::on_flushed(FlushCallback callback) {
  exchange_.sessions().flush_then(exchange_, std::move(callback));
}
void ResponseWriter::send_file(int file, std::uint64_t offset, std::uint64_t length) {
  exchange_.sessions().send_file(exchange_, file, offset, length);
}
void ResponseWriter::trailer(std::string_view name, std::string_view value) {
  check_header(name, value);
  exchange_.trailers.emplace_back(name, value);
}
void ResponseWriter::on_client_closed(std::function<void()> callback) {
  exchange_.sessions().on_client_closed(exchange_, std::move(callback));
}
void ResponseWriter::on_drain(std::function<void()> callback) {
  exchange_.sessions().on_drain(exchange_, std::move(callback));
}
Hijacked ResponseWriter::hijack() { return exchange_.sessions().hijack(exchange_); }
void ResponseWriter::log_field(std::string_view key, std::string_view value) {
  exchange_.set_log_field(key, value);
}

}  // namespace holdfast::worker
