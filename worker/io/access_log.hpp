// The access log of a worker: finished exchanges in, JSON lines out. Lines are flushed every
// second, at 32 KiB and at exit; a reader that stalls does not stall requests until the sink's
// capacity is reached. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "shared/io/line_sink.hpp"
#include "worker/core/access_record.hpp"
#include "worker/core/handshake_record.hpp"
#include "worker/io/loop_clock.hpp"
#include "worker/io/poller.hpp"

namespace holdfast::worker {

// Who this worker is; both 0 when run alone.
struct Identity {
  std::uint64_t generation = 0;
  std::uint64_t worker = 0;
  std::string label = {};  // of the deploy; "" when it has none
};

inline constexpr Millis kFlushLogEvery{1'000};  // a kill -9 loses at most this much
inline constexpr Millis kRetryLogEvery{50};     // while the reader of a pipe is behind

// An empty descriptor turns the log off; lines not written yet go to the new target.
void point_at(std::unique_ptr<LineSink>& sink, UniqueFd target);

class AccessLog final : Pollable {
 public:
  AccessLog(boost::asio::io_context& io, LoopClock& clock)
      : flush_timer_(io, clock, [this] { flush(); }),
        give_up_(io, clock, [this] { end_close(); }) {}

  // An empty descriptor turns the log off. Lines not written yet go to the new target.
  void open(UniqueFd target);
  bool enabled() const { return sink_ != nullptr; }

  void write(const AccessRecord& record);
  void write(const HandshakeRecord& record);

  // Writes all, waiting for the reader at most `timeout`; then calls back, perhaps at once, with
  // how many lines were given up for ever. Nothing may be written afterwards.
  using Closed = std::function<void(std::uint64_t lost)>;
  void close(Millis timeout, Poller& poller, Closed closed);
  void give_up() { end_close(); }  // while closing: wait no more
  std::uint64_t lost() const { return sink_ ? sink_->lost() : 0; }

 private:
  void write_line();
  void arm();
  void flush();
  void end_close();
  void on_poll(std::uint32_t events) override;

  std::unique_ptr<LineSink> sink_;
  std::string line_;
  LoopTimer flush_timer_;
  LoopTimer give_up_;
  Poller* poller_ = nullptr;  // while closing waits for the reader
  Closed closed_;
};

}  // namespace holdfast::worker
