// When the supervisor is asked, and whose answer that is: one question at a time however many
// clients there are, never more than one in kQuestionSpacing, and no answer that is older than its
// request. Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "shared/core/time.hpp"

namespace holdfast::metrics {

// Fifty a second cost a supervisor less than 1% of a CPU, and nobody scrapes as often.
inline constexpr Millis kQuestionSpacing{20};
// A supervisor answers within a millisecond; probes commonly wait for a second or more.
inline constexpr Millis kAnswerTimeout{1'000};

class QuestionBook {
 public:
  using Id = std::uint64_t;

  // A client came. due() tells what that means.
  Id arrive(TimePoint now) {
    waiting_.push_back({++last_, now + kAnswerTimeout});
    return last_;
  }

  struct Due {
    bool ask = false;      // the supervisor, now
    std::vector<Id> late;  // they have waited long enough
  };
  Due due(TimePoint now) {
    Due due;
    for (auto* clients : {&asked_, &waiting_}) {
      while (!clients->empty() && clients->front().deadline <= now) {
        due.late.push_back(clients->front().id);
        clients->pop_front();
      }
    }
    if (out_ || waiting_.empty() || now < next_) return due;
    out_ = true;
    next_ = now + kQuestionSpacing;
    asked_ = std::exchange(waiting_, {});
    due.ask = true;
    return due;
  }

  // The answer came: theirs.
  std::vector<Id> answered() {
    out_ = false;
    return take(asked_);
  }
  // There will be no answer any more.
  std::vector<Id> all() {
    std::vector<Id> ids = take(asked_);
    for (const Id id : take(waiting_)) ids.push_back(id);
    return ids;
  }

  // When due() has something to say, unless an answer comes before.
  std::optional<TimePoint> wake_at() const {
    std::optional<TimePoint> wake;
    const auto earliest = [&](TimePoint at) { wake = wake ? std::min(*wake, at) : at; };
    if (!asked_.empty()) earliest(asked_.front().deadline);
    if (waiting_.empty()) return wake;
    earliest(waiting_.front().deadline);
    if (!out_) earliest(next_);
    return wake;
  }

 private:
  struct Client {
    Id id;
    TimePoint deadline;
  };
  static std::vector<Id> take(std::deque<Client>& clients) {
    std::vector<Id> ids;
    for (const Client& client : std::exchange(clients, {})) ids.push_back(client.id);
    return ids;
  }

  std::deque<Client> asked_;    // came before the question that is out
  std::deque<Client> waiting_;  // came after it
  bool out_ = false;
  TimePoint next_{};
  Id last_ = 0;
};

}  // namespace holdfast::metrics
