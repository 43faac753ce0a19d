#include "supervisor/core/error_window.hpp"

namespace holdfast::supervisor {

bool is_worse(const ResponseCount& ours, const ResponseCount& theirs) {
  if (ours.errors == 0) return false;
  if (theirs.requests == 0) return true;
  // As doubles: the products of two counters may not fit into 64 bits.
  return static_cast<double>(ours.errors) * static_cast<double>(theirs.requests) >
         static_cast<double>(theirs.errors) * static_cast<double>(ours.requests);
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
