// The access log of a service with threads of its own: entries in from any of them, JSON lines out.
// Flushed by whoever drives it, when next_flush() says so. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "holdfast/worker/access_entry.hpp"
#include "shared/core/time.hpp"
#include "shared/io/line_sink.hpp"
#include "worker/io/access_log.hpp"
#include "worker/io/request_ids.hpp"

namespace holdfast::worker {

class SharedAccessLog {
 public:
  SharedAccessLog();

  void set_identity(Identity identity) { identity_ = std::move(identity); }
  // An empty descriptor turns the log off.
  void open(UniqueFd target);
  bool enabled() const { return enabled_; }

  // Returns true when this line waits for a flush that nobody had to think of before.
  bool write(const AccessEntry& entry, bool draining);

  std::optional<TimePoint> next_flush();
  void flush();  // if it is time
  // Writes all, waiting at most `timeout`; returns how many lines were given up for ever.
  std::uint64_t close(Millis timeout);

 private:
  std::mutex mutex_;
  std::unique_ptr<LineSink> sink_;
  std::optional<TimePoint> flush_at_;
  std::string line_;
  RequestIds ids_;
  Identity identity_;
  std::uint64_t pid_;
  std::atomic<bool> enabled_ = false;
};

}  // namespace holdfast::worker
