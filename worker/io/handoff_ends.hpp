// What the handoff knows of connections, whoever serves them: Sessions and Acceptors for Server,
// the service's own server behind Worker.
#pragma once

#include <cstdint>
#include <optional>

#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/handoff_message.hpp"

namespace holdfast::worker {

class HandoffGiving;

// A part of every connection that may be given.
struct HandoffItem {
  std::size_t queue_place = 0;  // among those that wait for a taker; 0: none
  std::uint8_t offers = 0;      // that came to nothing
};

class HandoffSource {
 public:
  struct Offering {
    int fd;  // open until take_back() or let_go()
    CarriedConnection carried;
    std::optional<TimePoint> deadline;  // of its own, for take_back()
  };

  virtual ~HandoffSource() = default;
  // Who gives from now on; null: nobody.
  virtual void hand_off_by(HandoffGiving* giving) = 0;
  virtual std::uint64_t generation() const = 0;
  // From now on nobody reads or writes it. Nothing where it cannot be offered just now: it is
  // queued again when it can.
  virtual std::optional<Offering> begin_offer(HandoffItem& item) = 0;
  // `again`: it may be offered to somebody else.
  virtual void take_back(HandoffItem& item, std::optional<TimePoint> deadline, bool again) = 0;
  virtual void let_go(HandoffItem& item) = 0;  // by close(2) alone
  virtual void stop_moving() = 0;              // nobody takes connections any more
};

class HandoffSink {
 public:
  virtual ~HandoffSink() = default;
  virtual bool takes(const CarriedConnection& carried) const = 0;
  virtual std::size_t connections() const = 0;
  virtual std::size_t max_connections() const = 0;  // 0: as the limit of open files allows
  // REQUIRES: takes(carried)
  virtual void take_over(UniqueFd fd, CarriedConnection carried, std::uint64_t generation) = 0;
};

}  // namespace holdfast::worker
