#include "tests/support/load_client_engine.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace holdfast::testing {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kWakeEvent = ~std::uint64_t{0};
// The first connects are spread out: a burst beyond the backlog costs a SYN retry of one second.
constexpr int kConnectsPerMilli = 32;

TimePoint clock_now() { return std::chrono::steady_clock::now(); }

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Nanos sweep_interval(const LoadOptions& options) {
  Nanos shortest = options.connect_timeout;
  for (const GroupOptions& group : options.groups) shortest = std::min(shortest, group.timeout);
  return std::clamp<Nanos>(shortest / 10, milliseconds(5), milliseconds(250));
}

}  // namespace

LoadClient::Engine::Engine(LoadOptions options)
    : options_(std::move(options)),
      target_(options_.target),
      recorder_(options_),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      sweep_every_(sweep_interval(options_)),
      expect_stop_(options_.expect_stop) {
  if (!epoll_ || !wake_) {
    throw std::system_error(errno, std::generic_category(), "cannot open epoll set");
  }
  if (options_.tls) tls_ = std::make_unique<TlsClientContext>();
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeEvent}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
  for (const GroupOptions& group : options_.groups) {
    groups_.push_back(std::make_unique<Group>(group, target_.host()));
    for (int i = 0; i < group.connections; ++i) {
      auto c = std::make_unique<Connection>();
      c->group = groups_.back().get();
      c->index = static_cast<std::uint32_t>(connections_.size());
      c->response.watch(options_.generation_header, options_.worker_header);
      connections_.push_back(std::move(c));
    }
  }
}

void LoadClient::Engine::stop() {
  stops_.fetch_add(1, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof one);
}

void LoadClient::Engine::wake() {
  wakes_.fetch_add(1, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof one);
}

LoadResult LoadClient::Engine::run() {
  raise_descriptor_limit();
  now_ = clock_now();
  recorder_.begin(now_);
  launch();
  loop();
  LoadResult result = recorder_.finish(clock_now());
  for (const auto& group : groups_) result.groups[group->options.name].merge(group->result);
  return result;
}

// The loop --------------------------------------------------------------------------------------

void LoadClient::Engine::launch() {
  next_sweep_ = now_ + sweep_every_;
  live_ = connections_.size();
  for (const auto& c : connections_) {
    wake_in(*c, milliseconds(1) * static_cast<int>(c->index) / kConnectsPerMilli);
  }
}

void LoadClient::Engine::loop() {
  const bool limited = options_.duration > Nanos::zero();
  const TimePoint deadline = now_ + options_.duration;
  std::array<epoll_event, 256> events{};
  while (live_ > 0) {
    // Only what is due now: a connect can take longer than the pace of connects, and those that are
    // open must not wait for all the others.
    const TimePoint due = now_;
    while (!timers_.empty() && timers_.next() <= due) on_timer(timers_.pop());
    if (live_ == 0) return;
    TimePoint until = next_sweep_;
    if (!timers_.empty()) until = std::min(until, timers_.next());
    if (limited && !finishing_) until = std::min(until, deadline);
    const Nanos wait = std::max(until - now_, Nanos::zero());
    const timespec timeout{.tv_sec = wait.count() / 1'000'000'000,
                           .tv_nsec = wait.count() % 1'000'000'000};
    const int n = epoll_pwait2(epoll_.get(), events.data(), events.size(), &timeout, nullptr);
    now_ = clock_now();
    for (int i = 0; i < n; ++i) dispatch(events[static_cast<std::size_t>(i)]);
    if (now_ >= next_sweep_) sweep();
    if (wakes_.load(std::memory_order_acquire) != recorder_.wakes()) wake_parked();
    const int stops = stops_.load(std::memory_order_acquire);
    if (!finishing_ && (stops > 0 || (limited && now_ >= deadline) || !may_issue())) begin_finish();
    if (stops > 1) give_up();
  }
}

void LoadClient::Engine::dispatch(const epoll_event& event) {
  if (event.data.u64 == kWakeEvent) {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = read(wake_.get(), &count, sizeof count);
    return;
  }
  Connection& c = *connections_[event.data.u64 & 0xffffffffU];
  if (c.epoch != event.data.u64 >> 32) return;  // of a socket closed earlier in this batch
  now_ = clock_now();
  const bool closed = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (c.phase == Phase::Connecting) {
    if (const int error = pending_error(c.socket.get()); error != 0) return fail_connect(c, error);
    if ((event.events & EPOLLOUT) != 0 || c.tls) on_connected(c);
    // One edge may tell of the connection and of its end.
    if (!closed && (event.events & EPOLLIN) == 0) return;
  }
  if (c.epoch != event.data.u64 >> 32) return;
  switch (c.phase) {
    case Phase::InFlight:
      if (closed || (event.events & EPOLLIN) != 0) receive(c, closed);
      // The epoch tells whether that ended the request and began one on another socket.
      if (c.phase == Phase::InFlight && c.epoch == event.data.u64 >> 32 && !c.all_sent()) {
        send_more(c);
      }
      return;
    case Phase::Holding:
      switch (c.probe()) {
        case Idle::Quiet:
          return;
        case Idle::Bytes:
          return fail(c, Failure::ProtocolError);
        case Idle::Closed:
          return fail(c, Failure::FreshEof);
        case Idle::Reset:
          return fail(c, Failure::FreshReset);
      }
      return;
    case Phase::Waiting:
    case Phase::Parked:
      check_idle(c);
      return;
    default:
      return;
  }
}

void LoadClient::Engine::on_timer(const Timer& timer) {
  Connection& c = *connections_[timer.index];
  if (timer.ticket != c.ticket) return;
  now_ = clock_now();
  switch (c.phase) {
    case Phase::Waiting:
      return begin_request(c);
    case Phase::Connecting:
      return connect(c);  // a Unix socket whose backlog was full
    case Phase::Holding:
      return send_first(c);
    case Phase::InFlight:
      return on_pace(c);
    default:
      return;
  }
}

void LoadClient::Engine::sweep() {
  next_sweep_ = now_ + sweep_every_;
  for (const auto& pointer : connections_) {
    Connection& c = *pointer;
    if (c.phase == Phase::Connecting && now_ - c.connect_started > options_.connect_timeout) {
      fail(c, Failure::ConnectTimeout);
    } else if (c.phase == Phase::InFlight && now_ - c.progressed > c.group->options.timeout) {
      const bool our_pause = c.sent == c.allowed && !c.all_sent();
      if (!our_pause) fail(c, Failure::Timeout);
    }
  }
}

void LoadClient::Engine::begin_finish() {
  finishing_ = true;
  for (const auto& c : connections_) {
    if (c->phase == Phase::Parked && check_idle(*c)) ++c->group->result.parked;
    if (c->phase == Phase::Waiting && c->socket) check_idle(*c);
    if (c->phase == Phase::Waiting || c->phase == Phase::Parked) retire(*c);
  }
}

void LoadClient::Engine::wake_parked() {
  const std::uint64_t wakes = wakes_.load(std::memory_order_acquire);
  for (const auto& c : connections_) {
    if (c->phase == Phase::Parked && may_begin(*c->group) && check_idle(*c)) {
      recorder_.unparked();
      issue(*c);
    }
  }
  recorder_.woken(wakes);
}

void LoadClient::Engine::give_up() {
  for (const auto& c : connections_) {
    if (c->phase == Phase::InFlight && c->sent > 0) ++c->group->result.aborted;
    if (c->phase != Phase::Retired) retire(*c);
  }
}

void LoadClient::Engine::wake_in(Connection& c, Nanos delay) {
  timers_.push({.at = now_ + delay, .index = c.index, .ticket = ++c.ticket});
}

Nanos LoadClient::Engine::draw(const DurationRange& range) {
  if (range.high <= range.low) return range.low;
  return Nanos(
      std::uniform_int_distribution<std::int64_t>(range.low.count(), range.high.count())(random_));
}

bool LoadClient::Engine::draw_post(const Group& group) {
  const int percent = group.options.post_percent;
  return percent >= 100 || (percent > 0 && static_cast<int>(random_() % 100) < percent);
}

}  // namespace holdfast::testing
