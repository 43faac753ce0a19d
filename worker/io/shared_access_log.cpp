#include "worker/io/shared_access_log.hpp"

#include <algorithm>
#include <array>
#include <unistd.h>

#include "worker/core/access_record.hpp"
#include "worker/core/head_reader.hpp"

namespace holdfast::worker {
namespace {

Completion completion_of(std::string_view name) {
  for (const Completion each :
       {Completion::ClientAborted, Completion::Timeout, Completion::Cut, Completion::HandlerError,
        Completion::Rejected, Completion::Hijacked}) {
    if (to_string(each) == name) return each;
  }
  return Completion::Ok;
}

}  // namespace

SharedAccessLog::SharedAccessLog() : pid_(static_cast<std::uint64_t>(::getpid())) {}

void SharedAccessLog::open(UniqueFd target) {
  const std::lock_guard lock(mutex_);
  enabled_ = static_cast<bool>(target);
  point_at(sink_, std::move(target));
}

bool SharedAccessLog::write(const AccessEntry& entry, bool draining) {
  const std::lock_guard lock(mutex_);
  if (!sink_) return false;
  const TimePoint now = Clock::now();
  const TimePoint started = entry.started == TimePoint{} ? now : std::min(entry.started, now);
  std::array<LogField, kMaxLogFields + 1> fields;  // one too many shows that some were left out
  const std::size_t count = std::min(fields.size(), entry.fields.size());
  for (std::size_t i = 0; i < count; ++i)
    fields[i] = {entry.fields[i].first, entry.fields[i].second, LogField::Kind::Text};

  AccessRecord record;
  record.logged_at =
      std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  record.response_time = std::chrono::duration_cast<std::chrono::microseconds>(now - started);
  record.start_at = record.logged_at - record.response_time;
  record.protocol = entry.protocol;
  record.http_method = entry.method;
  record.url = entry.url;
  record.http_host = entry.host;
  record.http_status_code = entry.status;
  record.request_size = entry.request_size;
  record.response_size = entry.response_size;
  record.bytes_received = entry.bytes_received;
  record.bytes_sent = entry.bytes_sent;
  record.remote_ipaddr = entry.remote_address;
  record.remote_port = entry.remote_port;
  record.http_user_agent = entry.user_agent;
  record.http_referer = entry.referer;
  record.request_id =
      valid_request_id(entry.request_id) ? entry.request_id : std::string_view(ids_.next());
  record.listener = entry.listener;
  record.conn_id = {identity_.generation, identity_.worker, entry.connection};
  record.conn_requests = entry.connection_requests;
  record.pid = pid_;
  record.worker = identity_.worker;
  record.generation = identity_.generation;
  record.label = identity_.label;
  record.draining = draining;
  record.completion = completion_of(entry.completion);
  record.fields = std::span(fields.data(), count);
  line_.clear();
  append_access_line(line_, record);
  sink_->append(line_);
  if (flush_at_) return false;
  flush_at_ = now + kFlushLogEvery;
  return true;
}

std::optional<TimePoint> SharedAccessLog::next_flush() {
  const std::lock_guard lock(mutex_);
  return flush_at_;
}

void SharedAccessLog::flush() {
  const std::lock_guard lock(mutex_);
  const TimePoint now = Clock::now();
  if (!flush_at_ || now < *flush_at_) return;
  flush_at_.reset();
  if (sink_ && !sink_->flush()) flush_at_ = now + kRetryLogEvery;
}

std::uint64_t SharedAccessLog::close(Millis timeout) {
  const std::lock_guard lock(mutex_);
  flush_at_.reset();
  if (!sink_) return 0;
  sink_->flush_for(timeout);
  return sink_->lost();
}

}  // namespace holdfast::worker
