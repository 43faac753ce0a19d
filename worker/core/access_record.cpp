#include "worker/core/access_record.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>

namespace holdfast::worker {
namespace {

enum Text : std::size_t {
  kProtocol,
  kMethod,
  kUrl,
  kHost,
  kRemoteIp,
  kClientIp,
  kUserAgent,
  kReferer,
  kRequestId,
  kListener,
  kTexts
};

constexpr std::array<std::string_view, kTexts> kTextNames{
    "protocol",  "http_method",     "url",          "http_host",  "remote_ipaddr",
    "client_ip", "http_user_agent", "http_referer", "request_id", "listener"};

// What a reader of the log misses least comes first.
constexpr std::array<Text, kTexts> kShortenOrder{kReferer,  kUserAgent, kHost,   kClientIp,
                                                 kListener, kRequestId, kMethod, kRemoteIp,
                                                 kProtocol, kUrl};

// Every number and name at its longest, without the texts' values and the handler's fields.
constexpr std::size_t kFixedPart = 1280;
// Names in `truncated`: the texts' and at most kMaxLogFields of the handler's.
constexpr std::size_t kTruncatedPart = 256 + kMaxLogFields * (kMaxLogKey + 3);
static_assert(kFixedPart + kTruncatedPart < kMaxAccessLine, "shortening always suffices");

using Texts = std::array<std::string_view, kTexts>;

// How much of the record goes into the line.
struct Plan {
  std::array<std::size_t, kTexts> limits;
  std::size_t fields = 0;  // of the handler's, from the first
};

constexpr Plan full_plan(std::size_t fields) {
  Plan plan{};
  plan.limits.fill(kMaxLoggedText);
  plan.limits[kUrl] = kMaxLoggedUrl;
  plan.fields = std::min(fields, kMaxLogFields);
  return plan;
}

std::string_view severity(const AccessRecord& record) {
  if (record.http_status_code >= 500 || record.completion == Completion::HandlerError)
    return "error";
  return record.http_status_code >= 400 ? "warning" : "info";
}

Texts texts_of(const AccessRecord& record) {
  return {record.protocol,        record.http_method,   record.url,
          record.http_host,       record.remote_ipaddr, record.client_ip,
          record.http_user_agent, record.http_referer,  record.request_id,
          record.listener};
}

// Renders one line into a buffer on the stack: fixed parts unchecked, since the buffer has room for
// all of them behind a full line, values only where they fit into the line.
class Line {
 public:
  Line(const AccessRecord& record, const Texts& texts, const Plan& plan)
      : record_(record), texts_(texts), plan_(plan) {}

  // False, and nothing written, when it is too long.
  bool append_to(std::string& out) {
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
    number(record_.http_status_code);
    literal(",\"request_size\":");
    number(record_.request_size);
    literal(",\"response_size\":");
    number(record_.response_size);
    literal(",\"bytes_received\":");
    number(record_.bytes_received);
    literal(",\"bytes_sent\":");
    number(record_.bytes_sent);
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
    if (record_.draining) literal(",\"draining\":true");
    if (record_.handed_off_from != 0) {
      literal(",\"handed_off_from\":");
      number(record_.handed_off_from);
    }
    literal(",\"completion\":\"");
    plain(to_string(record_.completion));
    literal("\"");
    if (whole_) truncated();
    if (whole_) handler_fields();
    literal("}\n");
    const auto size = static_cast<std::size_t>(at_ - buffer_);
    if (!whole_ || size > kMaxAccessLine) return false;
    out.append(buffer_, size);
    return true;
  }

 private:
  template <std::size_t N>
  void literal(const char (&bytes)[N]) {
    std::memcpy(at_, bytes, N - 1);
    at_ += N - 1;
  }

  void plain(std::string_view bytes) {
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }

  template <typename Integer>
  void number(Integer value) {
    at_ = std::to_chars(at_, at_ + 20, value).ptr;
  }

  void seconds(std::chrono::microseconds time) {
    const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
    number(micros / 1'000'000);
    *at_ = '.';
    auto fraction = static_cast<unsigned>(micros % 1'000'000);
    for (int digit = 6; digit > 0; --digit, fraction /= 10)
      at_[digit] = static_cast<char>('0' + fraction % 10);
    at_ += 7;
  }

  bool fits(std::string_view value, std::size_t limit, std::size_t around) {
    const auto room = static_cast<std::size_t>(buffer_ + kMaxAccessLine - at_);
    const std::size_t taken = std::min(value.size(), limit);
    whole_ = whole_ && at_ <= buffer_ + kMaxAccessLine &&
             (taken * 6 + around <= room || json_text_size(value, limit) + around <= room);
    return whole_;
  }

  template <std::size_t N>
  void text(Text which, const char (&opening)[N]) {
    const std::string_view value = texts_[which];
    const std::size_t limit = plan_.limits[which];
    if (value.empty() || limit == 0 || !fits(value, limit, N)) return;
    literal(opening);
    at_ = write_json_text(at_, value, limit);
    *at_++ = '"';
  }

  void truncated() {
    const char* opening = ",\"truncated\":[\"";
    const auto name = [&](std::string_view key) {
      plain(opening);
      plain(key);
      opening = "\",\"";
    };
    for (std::size_t i = 0; i < kTexts; ++i) {
      if (texts_[i].size() > plan_.limits[i]) name(kTextNames[i]);
    }
    for (std::size_t i = 0; i < std::min(record_.fields.size(), kMaxLogFields); ++i) {
      const LogField& field = record_.fields[i];
      const bool cut = i >= plan_.fields || field.value.size() > kMaxLoggedText;
      if (cut && valid_log_key(field.key)) name(field.key);
    }
    if (record_.fields.size() > kMaxLogFields) name("fields");
    if (opening[0] == '"') literal("\"]");
  }

  void handler_fields() {
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

  const AccessRecord& record_;
  const Texts& texts_;
  const Plan& plan_;
  bool whole_ = true;
  char buffer_[kMaxAccessLine + kFixedPart + kTruncatedPart];
  char* at_ = buffer_;
};

std::size_t field_size(const LogField& field) {
  if (!valid_log_key(field.key)) return 0;
  return field.key.size() + 6 + json_text_size(field.value, kMaxLoggedText);
}

std::size_t text_size(std::size_t which, std::string_view value, std::size_t limit) {
  if (value.empty() || limit == 0) return 0;
  return kTextNames[which].size() + 6 + json_text_size(value, limit);
}

// The largest limit at which the text takes at most `room` bytes of the line.
std::size_t fitting_limit(std::size_t which, std::string_view value, std::size_t limit,
                          std::size_t room) {
  std::size_t good = 0;
  std::size_t bad = std::min(value.size(), limit) + 1;
  while (bad - good > 1) {
    const std::size_t middle = good + (bad - good) / 2;
    (text_size(which, value, middle) <= room ? good : bad) = middle;
  }
  return good;
}

// Takes away, in the order that the header documents, until the line is short enough. The room is
// what a line without any value leaves, with all of them named in `truncated`.
Plan shortened_plan(const AccessRecord& record, const Texts& texts) {
  std::string bare;
  Line(record, texts, Plan{}).append_to(bare);
  const std::size_t room = kMaxAccessLine - bare.size();
  Plan plan = full_plan(record.fields.size());
  std::array<std::size_t, kTexts> sizes{};
  std::size_t size = 0;
  for (std::size_t i = 0; i < kTexts; ++i) {
    sizes[i] = text_size(i, texts[i], plan.limits[i]);
    size += sizes[i];
  }
  for (const LogField& field : record.fields.first(plan.fields)) size += field_size(field);
  while (size > room && plan.fields > 0) size -= field_size(record.fields[--plan.fields]);
  for (const Text which : kShortenOrder) {
    if (size <= room) break;
    const std::size_t over = size - room;
    const std::size_t allowed = sizes[which] > over ? sizes[which] - over : 0;
    plan.limits[which] = fitting_limit(which, texts[which], plan.limits[which], allowed);
    size -= sizes[which] - text_size(which, texts[which], plan.limits[which]);
  }
  return plan;
}

}  // namespace

std::string_view to_string(Completion completion) {
  switch (completion) {
    case Completion::Ok:
      return "ok";
    case Completion::ClientAborted:
      return "client_aborted";
    case Completion::Timeout:
      return "timeout";
    case Completion::Cut:
      return "cut";
    case Completion::HandlerError:
      return "handler_error";
    case Completion::Rejected:
      return "rejected";
    case Completion::Hijacked:
      return "hijacked";
  }
  return "unknown";
}

void append_access_line(std::string& out, const AccessRecord& record) {
  const Texts texts = texts_of(record);
  const Plan plan = full_plan(record.fields.size());
  if (Line(record, texts, plan).append_to(out)) return;
  const Plan shorter = shortened_plan(record, texts);
  [[maybe_unused]] const bool fits = Line(record, texts, shorter).append_to(out);
  assert(fits);
}

}  // namespace holdfast::worker
