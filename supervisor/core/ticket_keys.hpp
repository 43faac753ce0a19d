// Which TLS ticket keys workers get: the newest one seals, the one before it still opens what was
// sealed with it. A new generation brings a new key once the newest is twelve hours old. Kept in
// memory only; an idle supervisor that never reloads keeps its key.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "shared/core/ticket_key.hpp"
#include "shared/core/time.hpp"

namespace holdfast::supervisor {

// Sessions end after two hours (worker/io/tls_context.cpp), so two keys cover a day and more.
inline constexpr std::chrono::hours kTicketKeyAge{12};

class TicketKeys {
 public:
  bool wants_another(TimePoint now) const { return !made_ || now - *made_ >= kTicketKeyAge; }

  void add(TicketKey key, TimePoint now) {
    keys_.insert(keys_.begin(), std::move(key));
    if (keys_.size() > 2) keys_.resize(2);
    made_ = now;
  }

  const std::vector<TicketKey>& newest_first() const { return keys_; }

 private:
  std::vector<TicketKey> keys_;
  std::optional<TimePoint> made_;
};

}  // namespace holdfast::supervisor
