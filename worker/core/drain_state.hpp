// What a drain means to all connections of a worker: how long they have, and whether other workers
// take them. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "shared/core/time.hpp"
#include "worker/core/connection_state.hpp"
#include "worker/core/idle_spread.hpp"

namespace holdfast::worker {

struct DrainPlan {
  Millis new_grace{0};
  Millis idle_grace{0};
  Millis idle_spread{0};  // closes of idle connections are spread over at most this
  bool handoff = false;   // other workers take what they can
};

class DrainState {
 public:
  // A second plan may shorten graces, and ends a handoff. `idle`: connections that are.
  void begin(const DrainPlan& plan, std::size_t idle) {
    new_grace_ = begun_ ? std::min(new_grace_, plan.new_grace) : plan.new_grace;
    idle_grace_ = begun_ ? std::min(idle_grace_, plan.idle_grace) : plan.idle_grace;
    idle_spread_ = IdleSpread(plan.idle_spread, idle);
    moving_ = plan.handoff && !begun_;
    begun_ = true;
  }
  bool begun() const { return begun_; }

  bool moving() const { return moving_; }
  bool stop_moving() { return std::exchange(moving_, false); }  // false: it was over already

  // Before a drain: responses say close, and nothing else changes.
  void begin_lame_duck() { lame_duck_ = true; }
  bool must_close() const { return begun_ || lame_duck_; }

  // stop_timeout struck, and transfers that move go on.
  void begin_overtime() { overtime_ = true; }
  bool overtime() const { return overtime_; }

  Millis new_grace() const { return new_grace_; }
  // Of the next connection that is New or Idle.
  Millis next_grace(ConnState state) {
    return state == ConnState::New ? new_grace_ : idle_grace_ + idle_spread_.next();
  }

 private:
  bool begun_ = false;
  bool moving_ = false;
  bool lame_duck_ = false;
  bool overtime_ = false;
  Millis new_grace_{0};
  Millis idle_grace_{0};
  IdleSpread idle_spread_;
};

}  // namespace holdfast::worker
