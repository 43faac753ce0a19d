#include "worker/core/access_record.hpp"

#include <algorithm>
#include <cassert>

#include "worker/core/access_line.hpp"

namespace holdfast::worker {
namespace {

// What a reader of the log misses least comes first.
constexpr std::array<AccessText, kAccessTexts> kShortenOrder{
    kReferer, kUserAgent, kTlsServerName, kHost,    kClientIp,  kListener,   kLabel, kRequestId,
    kMethod,  kRemoteIp,  kProtocol,      kTlsAlpn, kTlsCipher, kTlsVersion, kUrl};

constexpr AccessPlan full_plan(std::size_t fields) {
  AccessPlan plan{};
  plan.limits.fill(kMaxLoggedText);
  plan.limits[kUrl] = kMaxLoggedUrl;
  plan.fields = std::min(fields, kMaxLogFields);
  return plan;
}

std::size_t field_size(const LogField& field) {
  if (!valid_log_key(field.key)) return 0;
  return field.key.size() + 6 + json_text_size(field.value, kMaxLoggedText);
}

std::size_t text_size(std::size_t which, std::string_view value, std::size_t limit) {
  if (value.empty() || limit == 0) return 0;
  return kAccessTextNames[which].size() + 6 + json_text_size(value, limit);
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
AccessPlan shortened_plan(const AccessRecord& record, const AccessTexts& texts) {
  std::string bare;
  AccessLine(record, texts, AccessPlan{}).append_to(bare);
  const std::size_t room = kMaxAccessLine - bare.size();
  AccessPlan plan = full_plan(record.fields.size());
  std::array<std::size_t, kAccessTexts> sizes{};
  std::size_t size = 0;
  for (std::size_t i = 0; i < kAccessTexts; ++i) {
    sizes[i] = text_size(i, texts[i], plan.limits[i]);
    size += sizes[i];
  }
  for (const LogField& field : record.fields.first(plan.fields)) size += field_size(field);
  while (size > room && plan.fields > 0) size -= field_size(record.fields[--plan.fields]);
  for (const AccessText which : kShortenOrder) {
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
  const AccessTexts texts = texts_of(record);
  const AccessPlan plan = full_plan(record.fields.size());
  if (AccessLine(record, texts, plan).append_to(out)) return;
  const AccessPlan shorter = shortened_plan(record, texts);
  [[maybe_unused]] const bool fits = AccessLine(record, texts, shorter).append_to(out);
  assert(fits);
}

}  // namespace holdfast::worker
