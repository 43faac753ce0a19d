// What the operator decided about the fleet: how many workers, and how long each wait may take.
// Pure data; supervisor/core/options.hpp argues each default.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "shared/core/control_message.hpp"
#include "shared/core/time.hpp"

namespace holdfast::supervisor {

struct FleetPolicy {
  std::size_t workers = 1;
  Millis ready_timeout{60'000};
  Millis pause_timeout{2'000};
  Millis stop_timeout{60'000};
  Millis stop_timeout_max{0};  // less than stop_timeout: the same
  Millis kill_timeout{10'000};
  Millis syn_wait{500};
  Millis lame_duck{0};
  unsigned give_up = 10;
  std::size_t max_old_generations = 4;
  IdlePolicy idle = IdlePolicy::Close;  // of a reload's drain
  Millis probation{1'000};              // 0: none
  unsigned probation_errors = 50;       // percent of the responses
  std::size_t canary = 0;               // so many workers prove themselves first
  Millis canary_time{10'000};
  bool rollback = true;              // false: once the candidate accepts there is no way back
  Millis heartbeat_timeout{30'000};  // 0: nobody asks
  std::uint64_t max_requests = 0;    // of one worker, then it is replaced; 0: any number
  std::uint64_t max_rss = 0;         // bytes
  Millis max_age{0};
  // How long a drain may take before the worker hangs.
  Millis longest_drain() const { return std::max(stop_timeout, stop_timeout_max); }
  bool operator==(const FleetPolicy&) const = default;
};

// How many workers `scale up` may reach: a held-down key must not fork the machine to death.
inline constexpr std::size_t kMaxWorkers = 1'024;

// So many workers of the new generation one old worker gives its connections to. Each costs both a
// descriptor and a socket buffer; with more of them every old worker takes others.
inline constexpr std::size_t kMaxTakers = 16;

// A worker whose channel ended must end too, and the other way round.
inline constexpr Millis kEndTogether{1'000};
// SIGKILL takes effect when the kernel returns to user space; a process stuck in the kernel (a dead
// disk, NFS) never does, and a stop must not wait for it for ever.
inline constexpr Millis kKillTakesEffect{5'000};
// A core of some gigabytes is written in this time; what hangs for longer is killed.
inline constexpr Millis kAbortTakesEffect{10'000};
// Closing a descriptor is quick; a worker that does not answer in this time is stuck.
inline constexpr Millis kListenersClosedWithin{2'000};
// A worker that is about to be killed gets this long to say what that will cut. One that lives
// answers in microseconds.
inline constexpr Millis kLastWordsWithin{50};
// What the 5xx rule needs to see before it judges: fewer say too little.
inline constexpr std::uint64_t kJudgedRequests = 20;
// How often a candidate that accepts is asked for its numbers.
inline constexpr Millis kLookEvery{100};
// The last numbers before the verdict; a worker that is silent for longer fails the reload.
inline constexpr Millis kVerdictWithin{5'000};
// Resident memory is read from /proc, a file a worker.
inline constexpr Millis kMeasureEvery{10'000};
// How often a stop looks at the accept queues. Workers empty them in well under a millisecond.
inline constexpr Millis kQueueCheckEvery{2};

}  // namespace holdfast::supervisor
