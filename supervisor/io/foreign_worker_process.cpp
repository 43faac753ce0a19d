#include "supervisor/io/foreign_worker_process.hpp"

#include <csignal>
#include <utility>

#include <boost/asio/post.hpp>

namespace holdfast::supervisor {
namespace {

// Often enough for a readiness that nobody waits for long, seldom enough to cost nothing.
constexpr Millis kConnectEvery{50};
constexpr Millis kAnswerWithin{2'000};
// While it is judged. One hiccup is no verdict; three in a row are.
constexpr Millis kProbeEvery{250};
constexpr Millis kProbeAgain{100};
constexpr int kFailuresAllowed = 2;
// A server that was asked to leave closes its listeners first thing; ours are shut down after that,
// which one that still polls them would see as an error.
constexpr Millis kClosingTakes{500};
// A worker may change its status as often as it likes.
constexpr Millis kStatusEvery{1'000};

}  // namespace

ForeignWorkerProcess::ForeignWorkerProcess(boost::asio::io_context& io, GenerationId generation,
                                           LaunchedProcess launched, UniqueFd output,
                                           Callbacks callbacks, ForeignSetup setup)
    : WorkerProcess(
          io, generation, std::move(launched), {}, std::move(output),
          {{}, std::move(callbacks.output), [this](ExitStatus status) { ended(status); }}),
      io_(io),
      setup_(std::move(setup)),
      calls_(std::make_shared<Callbacks>(std::move(callbacks))),
      prober_(io),
      silence_timer_(io),
      timer_(io),
      closing_timer_(io) {
  worker_.has_probe = setup_.probe.has_value();
  worker_.pid = pid();
  feed(ForeignLaunched{});
  if (setup_.notify) {
    setup_.notify->start(io, pid(),
                         {[this](const NotifyMessage& message) { said(message); },
                          [this](pid_t sender) { warn_of_stranger(sender); }});
  }
  if (setup_.einhorn) {
    setup_.einhorn->start(io, pid(),
                          {[this] {
                             if (setup_.readiness.kind == ReadinessKind::Ack)
                               feed(ForeignBecameReady{});
                           },
                           [this](pid_t sender) { warn_of_stranger(sender); }});
  }
  await_readiness();
}

ForeignWorkerProcess::~ForeignWorkerProcess() = default;

void ForeignWorkerProcess::send(const ControlMessage& message, std::vector<UniqueFd>) {
  feed(ForeignTold{message});
}

void ForeignWorkerProcess::signal(int number) {
  if (number == SIGTERM) return feed(ForeignTerminated{});
  WorkerProcess::signal(number);
}

void ForeignWorkerProcess::feed(const ForeignEvent& event) {
  auto [next, actions] = step(std::move(worker_), event);
  worker_ = std::move(next);
  for (const ForeignAction& action : actions) {
    std::visit([this](const auto& todo) { perform(todo); }, action);
  }
}

void ForeignWorkerProcess::perform(const ForeignSay& action) {
  if (closed_) return;
  boost::asio::post(io_, [weak = std::weak_ptr(calls_), message = action.message] {
    if (const auto calls = weak.lock()) calls->channel.on_message(message, {});
  });
}

void ForeignWorkerProcess::perform(const ForeignAskToLeave&) {
  timer_.cancel();
  WorkerProcess::signal(setup_.protocol == WorkerProtocol::Einhorn ? SIGUSR2 : SIGTERM);
}

void ForeignWorkerProcess::perform(const ForeignProbe&) { ask(); }

void ForeignWorkerProcess::perform(const ForeignAwaitClosing&) {
  closing_timer_.expires_after(kClosingTakes);
  closing_timer_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) feed(ForeignClosingIsOver{});
  });
}

void ForeignWorkerProcess::perform(const ForeignFail& action) {
  if (std::exchange(closed_, true)) return;
  boost::asio::post(io_, [weak = std::weak_ptr(calls_), cause = action.cause] {
    if (const auto calls = weak.lock()) calls->channel.on_closed(Error{cause});
  });
}

void ForeignWorkerProcess::await_readiness() {
  const Readiness& readiness = setup_.readiness;
  if (readiness.kind == ReadinessKind::Delay) {
    after(readiness.delay, [this] { feed(ForeignBecameReady{}); });
  } else if (readiness.kind == ReadinessKind::Tcp) {
    const auto address =
        parse_listen_address(with_numbers(readiness.address, generation(), setup_.worker));
    // Its form was checked when the options were read.
    if (address) ask_until_connected(ProbeTarget{*address});
  }
}

// The fleet's ready_timeout ends it.
void ForeignWorkerProcess::ask_until_connected(const ProbeTarget& target) {
  prober_.ask(target, kAnswerWithin, [this, target](const std::string& failure) {
    if (failure.empty()) return feed(ForeignBecameReady{});
    after(kConnectEvery, [this, target] { ask_until_connected(target); });
  });
}

void ForeignWorkerProcess::ask() {
  prober_.ask(*setup_.probe, kAnswerWithin,
              [this](const std::string& failure) { probed(failure); });
}

void ForeignWorkerProcess::probed(const std::string& failure) {
  if (worker_.phase != ForeignPhase::Serving) return;
  if (!failure.empty() && ++failures_ <= kFailuresAllowed) {
    return after(kProbeAgain, [this] { ask(); });
  }
  if (failure.empty()) {
    failures_ = 0;
    if (!worker_.proved) probe_until_ = Clock::now() + setup_.probe_for;
    if (Clock::now() < probe_until_) after(kProbeEvery, [this] { ask(); });
  }
  feed(ForeignProbed{failure});
}

void ForeignWorkerProcess::said(const NotifyMessage& message) {
  if (worker_.phase == ForeignPhase::Gone) return;
  const bool fresh = !message.status.empty() && message.status != status_;
  if (fresh && Clock::now() - status_at_ >= kStatusEvery) {
    status_ = message.status;
    status_at_ = Clock::now();
    post_report(report("worker_status").about(setup_.worker).with("status", status_));
  }
  if (!message.unused.empty() && !std::exchange(warned_of_unused_, true)) {
    std::string names;
    for (const std::string& name : message.unused) names += (names.empty() ? "" : " ") + name;
    post_report(warning("notification_ignored").about(setup_.worker).with("names", names));
  }
  if (message.lives) lives();
  if (message.ready && setup_.readiness.kind == ReadinessKind::Notify) feed(ForeignBecameReady{});
  if (message.stopping) feed(ForeignLeaves{});
  if (message.hangs) feed(ForeignHangs{});
}

// The first WATCHDOG=1 is a promise of more.
void ForeignWorkerProcess::lives() {
  feed(ForeignLives{});
  if (!setup_.watchdog) return;
  silence_timer_.expires_after(*setup_.watchdog);
  silence_timer_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) feed(ForeignFellSilent{});
  });
}

void ForeignWorkerProcess::warn_of_stranger(pid_t sender) {
  if (std::exchange(warned_of_stranger_, true)) return;
  post_report(warning("notification_refused")
                  .about(setup_.worker)
                  .with("sender_pid", static_cast<std::uint64_t>(std::max(sender, 0))));
}

void ForeignWorkerProcess::post_report(Report text) {
  boost::asio::post(
      io_, [weak = std::weak_ptr(calls_), on_report = setup_.on_report, text = std::move(text)] {
        if (weak.lock()) on_report(text);
      });
}

void ForeignWorkerProcess::ended(ExitStatus status) {
  timer_.cancel();
  silence_timer_.cancel();
  closing_timer_.cancel();
  // Its last words came before its death, and may say that it meant to go.
  if (setup_.notify) setup_.notify->drain();
  feed(ForeignExited{status});
  const bool closed = std::exchange(closed_, true);
  boost::asio::post(io_, [weak = std::weak_ptr(calls_), closed, status] {
    if (const auto calls = weak.lock()) {
      if (!closed) calls->channel.on_closed(std::nullopt);
    }
    if (const auto calls = weak.lock()) calls->on_exit(status);
  });
}

void ForeignWorkerProcess::after(Millis delay, std::function<void()> then) {
  if (worker_.phase == ForeignPhase::Gone) return;
  timer_.expires_after(delay);
  timer_.async_wait([then = std::move(then)](boost::system::error_code cancelled) {
    if (!cancelled) then();
  });
}

}  // namespace holdfast::supervisor
