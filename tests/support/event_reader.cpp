#include "tests/support/event_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

namespace holdfast::testing {

EventReader::EventReader(UniqueFd read_end)
    : read_end_(std::move(read_end)),
      wake_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this] { read_loop(); }) {}

EventReader::~EventReader() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

std::optional<Event> EventReader::wait(const EventPredicate& wanted, std::size_t from, Millis cap) {
  const TimePoint deadline = Clock::now() + cap;
  std::unique_lock lock(mutex_);
  for (;;) {
    for (; from < events_.size(); ++from) {
      if (wanted(events_[from])) return events_[from];
    }
    if (ended_) return std::nullopt;
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout && from >= events_.size()) {
      return std::nullopt;
    }
  }
}

bool EventReader::wait_end(Millis cap) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, cap, [this] { return ended_; });
}

std::size_t EventReader::size() const {
  const std::scoped_lock lock(mutex_);
  return events_.size();
}

std::vector<Event> EventReader::all(const EventPredicate& wanted) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Event> found;
  std::copy_if(events_.begin(), events_.end(), std::back_inserter(found), wanted);
  return found;
}

std::vector<std::string> EventReader::text() const {
  const std::scoped_lock lock(mutex_);
  return text_;
}

std::string EventReader::dump(std::size_t last) const {
  const std::scoped_lock lock(mutex_);
  std::string all;
  for (std::size_t i = lines_.size() > last ? lines_.size() - last : 0; i < lines_.size(); ++i) {
    all += lines_[i] + "\n";
  }
  return all;
}

void EventReader::read_loop() {
  std::string rest;
  std::array<char, 65536> bytes{};
  for (;;) {
    std::array<pollfd, 2> wanted{pollfd{read_end_.get(), POLLIN, 0},
                                 pollfd{wake_.get(), POLLIN, 0}};
    if (::poll(wanted.data(), wanted.size(), -1) < 0) continue;  // EINTR
    if (wanted[0].revents == 0) break;                           // woken to leave
    const ssize_t got = ::read(read_end_.get(), bytes.data(), bytes.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) break;
    rest.append(bytes.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      keep(std::string_view(rest).substr(begin, end - begin));
    }
    rest.erase(0, begin);
  }
  if (!rest.empty()) keep(rest);
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void EventReader::keep(std::string_view line) {
  auto parsed = nlohmann::json::parse(line, nullptr, false);
  const std::scoped_lock lock(mutex_);
  lines_.emplace_back(line);
  if (parsed.is_object() && parsed.contains("type")) {
    events_.push_back({events_.size(), Clock::now(), std::move(parsed)});
  } else {
    text_.emplace_back(line);
  }
  changed_.notify_all();
}

}  // namespace holdfast::testing
