#include "supervisor/core/error_window.hpp"

#include <cmath>

namespace holdfast::supervisor {

constexpr double kStandardErrors = 4;

bool is_worse(const ResponseCount& ours, const ResponseCount& theirs) {
  const auto share = [](const ResponseCount& count) {
    return count.requests == 0
               ? 0.0
               : static_cast<double>(count.errors) / static_cast<double>(count.requests);
  };
  const double before = share(theirs);
  double chance = 0;
  if (ours.requests > 0 && theirs.requests > 0) {
    const double each = 1.0 / static_cast<double>(ours.requests);
    const double other = 1.0 / static_cast<double>(theirs.requests);
    chance = kStandardErrors * std::sqrt(before * (1 - before) * (each + other));
  }
  return share(ours) > before + chance;
}

void ErrorWindow::add(TimePoint now, const ResponseCount& more) {
  if (more.requests == 0 && more.errors == 0) return;
  std::erase_if(seconds_, [&](const Second& each) { return each.began_at + kLength <= now; });
  if (seconds_.empty() || seconds_.back().began_at + std::chrono::seconds(1) <= now)
    seconds_.push_back({now, {}});
  seconds_.back().count.requests += more.requests;
  seconds_.back().count.errors += more.errors;
}

ResponseCount ErrorWindow::last_minute(TimePoint now) const {
  ResponseCount sum;
  for (const Second& second : seconds_) {
    if (second.began_at + kLength <= now) continue;
    sum.requests += second.count.requests;
    sum.errors += second.count.errors;
  }
  return sum;
}

}  // namespace holdfast::supervisor
