#include "worker/core/access_line.hpp"

#include <algorithm>
#include <charconv>

namespace holdfast::worker {
namespace {

std::string_view severity(const AccessRecord& record) {
  if (record.http_status_code >= 500 || record.completion == Completion::HandlerError)
    return "error";
  return record.http_status_code >= 400 ? "warning" : "info";
}

}  // namespace

AccessTexts texts_of(const AccessRecord& record) {
  AccessTexts texts{record.protocol,        record.http_method,   record.url,
                    record.http_host,       record.remote_ipaddr, record.client_ip,
                    record.http_user_agent, record.http_referer,  record.request_id,
                    record.listener,        record.label};
  if (record.tls != nullptr) {
    texts[kTlsVersion] = record.tls->version;
    texts[kTlsCipher] = record.tls->cipher;
    texts[kTlsServerName] = record.tls->server_name;
    texts[kTlsAlpn] = record.tls->alpn;
  }
  return texts;
}

bool AccessLine::append_to(std::string& out) {
  request();
  connection();
  if (record_.tls != nullptr) tls();
  if (whole_) truncated();
  if (whole_) handler_fields();
  literal("}\n");
  const auto size = static_cast<std::size_t>(at_ - buffer_);
  if (!whole_ || size > kMaxAccessLine) return false;
  out.append(buffer_, size);
  return true;
}

void AccessLine::request() {
  literal("{\"logged_at\":\"");
  at_ = write_timestamp(at_, record_.logged_at);
  literal("\",\"type\":\"access\",\"severity\":\"");
  plain(severity(record_));
  literal("\",\"start_at\":\"");
  at_ = write_timestamp(at_, record_.start_at);
  literal("\",\"response_time\":");
  seconds(record_.response_time);
  text(kProtocol, ",\"protocol\":\"");
  text(kMethod, ",\"http_method\":\"");
  text(kUrl, ",\"url\":\"");
  text(kHost, ",\"http_host\":\"");
  literal(",\"http_status_code\":");
  number(static_cast<std::uint64_t>(record_.http_status_code));
  literal(",\"request_size\":");
  number(record_.request_size);
  literal(",\"response_size\":");
  number(record_.response_size);
  literal(",\"bytes_received\":");
  number(record_.bytes_received);
  literal(",\"bytes_sent\":");
  number(record_.bytes_sent);
}

void AccessLine::connection() {
  text(kRemoteIp, ",\"remote_ipaddr\":\"");
  if (record_.remote_port != 0) {
    literal(",\"remote_port\":");
    number(record_.remote_port);
  }
  text(kClientIp, ",\"client_ip\":\"");
  text(kUserAgent, ",\"http_user_agent\":\"");
  text(kReferer, ",\"http_referer\":\"");
  text(kRequestId, ",\"request_id\":\"");
  text(kListener, ",\"listener\":\"");
  literal(",\"conn_id\":\"");
  number(record_.conn_id.generation);
  literal("-");
  number(record_.conn_id.worker);
  literal("-");
  number(record_.conn_id.number);
  literal("\",\"conn_requests\":");
  number(record_.conn_requests);
  literal(",\"pid\":");
  number(record_.pid);
  literal(",\"worker\":");
  number(record_.worker);
  literal(",\"generation\":");
  number(record_.generation);
  text(kLabel, ",\"label\":\"");
  if (record_.draining) literal(",\"draining\":true");
  if (record_.handed_off_from != 0) {
    literal(",\"handed_off_from\":");
    number(record_.handed_off_from);
  }
  literal(",\"completion\":\"");
  plain(to_string(record_.completion));
  literal("\"");
}

void AccessLine::tls() {
  literal(",\"tls\":{");
  if (text(kTlsVersion, "\"version\":\"")) literal(",");
  if (text(kTlsCipher, "\"cipher\":\"")) literal(",");
  if (text(kTlsServerName, "\"server_name\":\"")) literal(",");
  if (text(kTlsAlpn, "\"alpn\":\"")) literal(",");
  if (record_.tls->resumed) {
    literal("\"resumed\":true}");
  } else {
    literal("\"resumed\":false}");
  }
}

void AccessLine::plain(std::string_view bytes) {
  std::memcpy(at_, bytes.data(), bytes.size());
  at_ += bytes.size();
}

void AccessLine::number(std::uint64_t value) { at_ = std::to_chars(at_, at_ + 20, value).ptr; }

void AccessLine::seconds(std::chrono::microseconds time) {
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
  number(micros / 1'000'000);
  *at_ = '.';
  auto fraction = static_cast<unsigned>(micros % 1'000'000);
  for (int digit = 6; digit > 0; --digit, fraction /= 10)
    at_[digit] = static_cast<char>('0' + fraction % 10);
  at_ += 7;
}

bool AccessLine::fits(std::string_view value, std::size_t limit, std::size_t around) {
  const auto room = static_cast<std::size_t>(buffer_ + kMaxAccessLine - at_);
  const std::size_t taken = std::min(value.size(), limit);
  whole_ = whole_ && at_ <= buffer_ + kMaxAccessLine &&
           (taken * 6 + around <= room || json_text_size(value, limit) + around <= room);
  return whole_;
}

void AccessLine::truncated() {
  const char* opening = ",\"truncated\":[\"";
  const auto name = [&](std::string_view key) {
    plain(opening);
    plain(key);
    opening = "\",\"";
  };
  for (std::size_t i = 0; i < kAccessTexts; ++i) {
    if (texts_[i].size() > plan_.limits[i]) name(kAccessTextNames[i]);
  }
  for (std::size_t i = 0; i < std::min(record_.fields.size(), kMaxLogFields); ++i) {
    const LogField& field = record_.fields[i];
    const bool cut = i >= plan_.fields || field.value.size() > kMaxLoggedText;
    if (cut && valid_log_key(field.key)) name(field.key);
  }
  if (record_.fields.size() > kMaxLogFields) name("fields");
  if (opening[0] == '"') literal("\"]");
}

void AccessLine::handler_fields() {
  for (const LogField& field : record_.fields.first(plan_.fields)) {
    if (!valid_log_key(field.key)) continue;
    if (!fits(field.value, kMaxLoggedText, field.key.size() + 6)) return;
    literal(",\"");
    plain(field.key);
    if (field.kind == LogField::Kind::Literal && is_json_literal(field.value)) {
      literal("\":");
      plain(field.value);
    } else {
      literal("\":\"");
      at_ = write_json_text(at_, field.value, kMaxLoggedText);
      literal("\"");
    }
  }
}

}  // namespace holdfast::worker
