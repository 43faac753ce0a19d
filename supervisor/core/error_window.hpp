// How many of a generation's responses of the last minute were 5xx: what the next candidate is
// compared with. A value; `now` is an argument and never goes back.
#pragma once

#include <cstdint>
#include <vector>

#include "shared/core/time.hpp"

namespace holdfast::supervisor {

struct ResponseCount {
  std::uint64_t requests = 0;
  std::uint64_t errors = 0;  // 5xx
  bool operator==(const ResponseCount&) const = default;
};

// Whether `ours` is a larger share of errors, by more than chance explains (four standard errors of
// the difference; with two, one deploy in forty): a service that fails anyway must not be rolled
// back by the toss of a coin. Of nothing, nothing was an error.
bool is_worse(const ResponseCount& ours, const ResponseCount& theirs);

class ErrorWindow {
 public:
  static constexpr Millis kLength{60'000};

  void add(TimePoint now, const ResponseCount& more);
  ResponseCount last_minute(TimePoint now) const;
  bool operator==(const ErrorWindow&) const = default;

 private:
  struct Second {
    TimePoint began_at;
    ResponseCount count;
    bool operator==(const Second&) const = default;
  };
  std::vector<Second> seconds_;  // oldest first; at most 61
};

}  // namespace holdfast::supervisor
