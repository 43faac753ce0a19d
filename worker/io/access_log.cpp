#include "worker/io/access_log.hpp"

namespace holdfast::worker {
namespace {

constexpr Millis kFlushEvery{1'000};  // a kill -9 loses at most this much
constexpr Millis kRetryEvery{50};     // while the reader of a pipe is behind

}  // namespace

void AccessLog::open(UniqueFd target) {
  if (!target) {
    sink_.reset();
  } else if (sink_) {
    sink_->reopen(std::move(target));
  } else {
    sink_ = std::make_unique<LineSink>(std::move(target));
  }
}

void AccessLog::write(const AccessRecord& record) {
  if (!sink_) return;
  line_.clear();
  append_access_line(line_, record);
  write_line();
}

void AccessLog::write(const HandshakeRecord& record) {
  if (!sink_) return;
  line_.clear();
  append_handshake_line(line_, record);
  write_line();
}

void AccessLog::write_line() {
  sink_->append(line_);
  if (!armed_) arm();
}

void AccessLog::arm() {
  armed_ = true;
  flush_timer_.expires_after(sink_->last_error() == 0 ? kFlushEvery : kRetryEvery);
  flush_timer_.async_wait([this](boost::system::error_code failed) {
    armed_ = false;
    if (failed || !sink_) return;
    if (!sink_->flush()) arm();
  });
}

std::uint64_t AccessLog::close(Millis timeout) {
  flush_timer_.cancel();
  if (!sink_) return 0;
  sink_->flush_for(timeout);
  return sink_->lost();
}

}  // namespace holdfast::worker
