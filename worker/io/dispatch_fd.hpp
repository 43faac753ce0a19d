// One descriptor for somebody else's poll loop: readable when the channel, a timer or another
// thread wants dispatch() to be called. wake() may be called from any thread and from a signal
// handler, the rest from one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "shared/core/result.hpp"
#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::worker {

class DispatchFd {
 public:
  static Result<DispatchFd> create();

  int fd() const { return set_.get(); }
  int wake_fd() const { return wake_.get(); }  // an eventfd
  void wake() noexcept;

  void watch(int fd, bool write);  // the channel; again to change `write`
  void unwatch(int fd);
  void watch_also(int fd);  // any number, for reading; whoever is told looks at all of them
  void unwatch_also(int fd);
  void set_timer(std::optional<TimePoint> at);
  void clear();  // what wake() and the timer have left

 private:
  DispatchFd() = default;

  UniqueFd set_;
  UniqueFd wake_;
  UniqueFd timer_;
  std::optional<TimePoint> armed_;
  int watched_ = -1;
  bool writing_ = false;
};

}  // namespace holdfast::worker
