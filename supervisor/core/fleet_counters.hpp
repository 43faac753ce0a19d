// What workers have done, summed so that no count ever falls: a worker that is gone stays in the
// sums of its generation, and a generation that is gone in the totals. Fed with what workers say
// of themselves; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/ids.hpp"
#include "shared/core/time.hpp"

namespace holdfast::supervisor {

// A worker that invents names of listeners must not fill our memory with them.
inline constexpr std::size_t kMaxCountedListeners = 256;
// Workers report each second while something changes: silence for longer means no requests.
inline constexpr Millis kRateHolds{2'500};

struct Traffic {
  std::uint64_t requests = 0;
  std::uint64_t responses_5xx = 0;
  std::uint64_t tls_failures = 0;
  std::uint64_t proxy_failures = 0;
  std::vector<ListenerStats> listeners = {};  // by name
  Traffic& operator+=(const Traffic& other);
  bool operator==(const Traffic&) const = default;
};

struct GenerationTraffic {
  GenerationId generation;
  Traffic traffic;
  bool operator==(const GenerationTraffic&) const = default;
};

class FleetCounters {
 public:
  // A count below the last one is ignored: it is a fault of the worker's, and would make a
  // generation's sum fall.
  void add(WorkerId worker, GenerationId generation, const Stats& stats, TimePoint now);
  void gone(WorkerId worker);
  // Generations that are not in `used` have no worker and will have none.
  void retire_all_but(const std::vector<GenerationId>& used);

  // Its last numbers; nothing when it never said any.
  const Stats* last(WorkerId worker) const;
  double requests_per_second(WorkerId worker, TimePoint now) const;
  Traffic totals() const;
  std::vector<GenerationTraffic> generations() const;

 private:
  struct Life {
    GenerationId generation;
    Stats stats;
    Traffic traffic;
    TimePoint since{};  // the rate is measured from here
    std::uint64_t requests_then = 0;
    TimePoint heard_at{};
    double rate = 0;
  };

  std::map<WorkerId, Life> lives_;
  std::map<GenerationId, Traffic> ended_;  // workers that are gone, of generations in use
  Traffic retired_;                        // generations that are gone
};

}  // namespace holdfast::supervisor
