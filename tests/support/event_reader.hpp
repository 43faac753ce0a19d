// Keeps every line that a process writes to a pipe, in order, and lets a test wait for the one it
// needs. Reads on a thread of its own, so that the writer is never held up. A line that is a JSON
// object with a "type" is an event; any other is text.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "shared/io/unique_fd.hpp"
#include "tests/support/child_process.hpp"

namespace holdfast::testing {

struct Event {
  std::size_t index = 0;  // in the order of the stream
  TimePoint at;           // when it was read here
  nlohmann::json fields;

  std::string name() const { return fields.value("event", fields.value("type", "")); }
  // 0 and "" when absent.
  std::int64_t number(const std::string& key) const { return fields.value(key, std::int64_t{0}); }
  std::string text(const std::string& key) const { return fields.value(key, std::string()); }
};

using EventPredicate = std::function<bool(const Event&)>;

class EventReader {
 public:
  explicit EventReader(UniqueFd read_end);
  ~EventReader();
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  // The first event with an index of at least `from`, here already or yet to come, of which
  // `wanted` is true; nothing when `cap` passes or the stream ends before.
  std::optional<Event> wait(const EventPredicate& wanted, std::size_t from = 0, Millis cap = kCap);
  // Waits for the end of the stream: every writer is gone.
  bool wait_end(Millis cap = kCap);

  std::size_t size() const;  // events so far
  std::vector<Event> all(const EventPredicate& wanted) const;
  std::vector<std::string> text() const;          // lines that are no events
  std::string dump(std::size_t last = 60) const;  // for the message of a failed test

 private:
  void read_loop();
  void keep(std::string_view line);

  UniqueFd read_end_;
  UniqueFd wake_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Event> events_;
  std::vector<std::string> text_;
  std::vector<std::string> lines_;
  bool ended_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace holdfast::testing
