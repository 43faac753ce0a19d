#include "tests/soak/operator.hpp"

#include <csignal>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>

#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

constexpr int kMostWorkers = 4;
constexpr const char* kGood = "good";
constexpr const char* kBroken = "broken";

std::string whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

}  // namespace

Operator::Operator(SupervisorRun& run, Releases& releases, int workers, std::uint64_t seed)
    : run_(run), releases_(releases), workers_(workers), wanted_(workers), random_(seed) {}

// The pace of an input. Nothing here waits for an outcome by time.
void Operator::pause(int most_ms) { ::poll(nullptr, 0, draw(0, most_ms)); }

void Operator::act(bool may_kill, bool may_shrink) {
  switch (draw(0, may_kill ? 9 : 7)) {
    case 0:
    case 1:
      reload();
      break;
    case 2:
    case 3:
      burst();
      break;
    case 4:
      rotate();
      break;
    case 5:
      bad_deploy();
      break;
    case 6:
      scale(true);
      break;
    case 7:
      scale(!may_shrink);
      break;
    default:
      kill_one();
      break;
  }
  pause(200);
}

void Operator::hup() {
  const std::size_t from = run_.mark();
  ++deeds_.hups;
  run_.signal(SIGHUP);
  run_.wait_for(
      "the HUP",
      [](const Event& e) { return e.name() == "signal_received" && e.text("signal") == "HUP"; },
      from);
}

// Until every reload that was asked for has had its verdict.
void Operator::settle() {
  const auto idle = [&] {
    std::size_t asked = 0;
    std::size_t started = 0;
    std::size_t verdict = 0;
    run_.events().all([&](const Event& e) {
      if (e.index < settled_) return false;
      const std::string name = e.name();
      const bool hup = name == "signal_received" && e.text("signal") == "HUP";
      if (hup || name == "reload_queued") asked = e.index + 1;
      if (name == "reload_started") started = e.index + 1;
      if (name == "reload_done" || name == "reload_failed") verdict = e.index + 1;
      return false;
    });
    if (asked != 0 && (started < asked || verdict < started)) return false;
    settled_ = std::max(settled_, verdict);
    return true;
  };
  if (!eventually(idle, kCap)) throw std::runtime_error("a reload came to no verdict");
}

void Operator::reload() {
  settle();  // one that a kill made fail is over
  const std::size_t from = run_.mark();
  hup();
  settle();
  for (const Event& e : run_.all("reload_failed")) {
    if (e.index >= from) throw std::runtime_error("a reload failed: " + e.fields.dump());
  }
}

void Operator::burst() {
  for (int i = draw(2, 6); i > 0; --i) {
    hup();
    pause(40);
  }
  settle();
}

void Operator::bad_deploy() {
  settle();
  ++deeds_.bad_deploys;
  releases_.flip(kBroken);
  const std::size_t from = run_.mark();
  hup();
  settle();
  releases_.flip(kGood);
  for (const Event& e : run_.all("reload_done")) {
    if (e.index >= from) throw std::runtime_error("a broken release went live");
  }
}

void Operator::scale(bool up) {
  if (wanted_ == (up ? kMostWorkers : 1)) return rotate();
  const std::size_t from = run_.mark();
  wanted_ += up ? 1 : -1;
  ++(up ? deeds_.scaled_up : deeds_.scaled_down);
  run_.signal(up ? SIGTTIN : SIGTTOU);
  run_.wait("scaled", from);
}

void Operator::rotate() {
  const std::size_t from = run_.mark();
  ++deeds_.rotations;
  const std::string& log = run_.access_log_path();
  std::filesystem::rename(log, log + "." + std::to_string(++rotated_));
  run_.signal(SIGUSR1);
  run_.wait("logs_reopened", from);
}

// Whoever it is: serving, draining, or a candidate.
void Operator::kill_one() {
  if (draw(0, 1) == 1) {
    hup();
    pause(30);
  }
  const auto workers = children_of(run_.pid());
  if (!workers.empty()) {
    const std::size_t from = run_.mark();
    const pid_t pid =
        workers[static_cast<std::size_t>(draw(0, static_cast<int>(workers.size()) - 1))];
    if (auto kill = kill_worker(pid)) {
      deeds_.kills.push_back(std::move(*kill));
      run_.wait_for(
          "the death of " + std::to_string(pid),
          [pid](const Event& e) { return e.name() == "worker_exited" && e.number("pid") == pid; },
          from);
    }
  }
  reload();
}

void Operator::restore() {
  while (wanted_ != workers_) scale(wanted_ < workers_);
  // Respawned ones are children too, so that this also waits for them.
  const auto at_rest = [&] {
    const auto children = children_of(run_.pid());
    return children.size() == static_cast<std::size_t>(workers_) &&
           run_.all("worker_started").size() ==
               run_.all("worker_exited").size() + static_cast<std::size_t>(workers_);
  };
  if (!eventually(at_rest, kCap)) {
    throw std::runtime_error(std::to_string(children_of(run_.pid()).size()) + " children, not " +
                             std::to_string(workers_));
  }
}

std::string Operator::read_logs() const {
  std::string text;
  for (int i = oldest_; i <= rotated_; ++i) {
    text += whole(run_.access_log_path() + "." + std::to_string(i));
  }
  return text + whole(run_.access_log_path());
}

// REQUIRES: everything that is to be written was.
void Operator::forget_logs() {
  rotate();
  for (; oldest_ <= rotated_; ++oldest_) {
    std::filesystem::remove(run_.access_log_path() + "." + std::to_string(oldest_));
  }
}

}  // namespace holdfast::testing
