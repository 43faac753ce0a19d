// The access log of a worker: finished exchanges in, JSON lines out. Lines are flushed every
// second, at 32 KiB and at exit; a reader that stalls does not stall requests until the sink's
// capacity is reached. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shared/io/line_sink.hpp"
#include "worker/core/access_record.hpp"
#include "worker/core/handshake_record.hpp"

namespace holdfast::worker {

// Who this worker is; both 0 when run alone.
struct Identity {
  std::uint64_t generation = 0;
  std::uint64_t worker = 0;
};

class AccessLog {
 public:
  explicit AccessLog(boost::asio::io_context& io) : flush_timer_(io) {}

  // An empty descriptor turns the log off. Lines not written yet go to the new target.
  void open(UniqueFd target);
  bool enabled() const { return sink_ != nullptr; }

  void write(const AccessRecord& record);
  void write(const HandshakeRecord& record);

  // Writes all, waiting at most `timeout`; returns how many lines were given up for ever.
  std::uint64_t close(Millis timeout);

 private:
  void write_line();
  void arm();

  std::unique_ptr<LineSink> sink_;
  std::string line_;
  boost::asio::steady_timer flush_timer_;
  bool armed_ = false;
};

}  // namespace holdfast::worker
