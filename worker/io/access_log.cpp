#include "worker/io/access_log.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <utility>

namespace holdfast::worker {

void point_at(std::unique_ptr<LineSink>& sink, UniqueFd target) {
  if (!target) {
    sink.reset();
  } else if (sink) {
    sink->reopen(std::move(target));
  } else {
    sink = std::make_unique<LineSink>(std::move(target));
  }
}

void AccessLog::open(UniqueFd target) {
  if (poller_ != nullptr) return;  // closing: what is left goes where it was meant to
  point_at(sink_, std::move(target));
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
  if (!flush_timer_.armed()) arm();
}

void AccessLog::arm() {
  flush_timer_.start_after(sink_->last_error() == 0 ? kFlushLogEvery : kRetryLogEvery);
}

void AccessLog::flush() {
  if (sink_ && !sink_->flush()) arm();
}

void AccessLog::close(Millis timeout, Poller& poller, Closed closed) {
  flush_timer_.cancel();
  closed_ = std::move(closed);
  // Only a reader that is behind is waited for; a full disk or a vanished one is for ever.
  if (!sink_ || sink_->flush() || sink_->last_error() != EAGAIN || timeout <= Millis{0} ||
      !poller.add(sink_->fd(), EPOLLOUT, *this)) {
    return end_close();
  }
  poller_ = &poller;
  give_up_.start_after(timeout);
}

void AccessLog::on_poll(std::uint32_t) {
  if (sink_->flush() || sink_->last_error() != EAGAIN) end_close();
}

void AccessLog::end_close() {
  give_up_.cancel();
  if (poller_ != nullptr) std::exchange(poller_, nullptr)->remove(sink_->fd());
  std::uint64_t lost = 0;
  if (sink_) {
    sink_->flush_for(Millis{0});
    lost = sink_->lost();
  }
  if (const auto closed = std::exchange(closed_, nullptr)) closed(lost);
}

}  // namespace holdfast::worker
