#include "tests/soak/act.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

constexpr Millis kRound = 4s;  // of deeds; then everybody comes to rest
constexpr std::uint64_t kRssGrowthKib = 1024;

class Act {
 public:
  explicit Act(const ActOptions& options);
  ActReport play();

 private:
  std::vector<std::string> flags() const;
  std::vector<std::string> command();
  void round();
  void settle_accounts(const Sightings& seen, bool shrunk);
  void look_at_supervisor();
  void look_at_events();
  void last_round();
  void breach(const std::string& what) { report_.breaches.push_back(what); }
  bool handoff() const { return options_.idle == "handoff"; }

  const ActOptions options_;
  TempDir files_;
  Certificate certificate_{files_, "soak"};
  Releases releases_{files_};
  SupervisorRun run_;
  Doors doors_;
  Operator operator_;
  std::mt19937_64 random_;
  ActReport report_;
  std::size_t descriptors_ = 0;
  std::size_t events_seen_ = 0;
};

Act::Act(const ActOptions& options)
    : options_(options),
      run_({.listen = {"http=127.0.0.1:0", "https=127.0.0.1:0"},
            .flags = flags(),
            .command = command(),
            .workers = std::to_string(options.workers)}),
      doors_{run_.wait_ready().address(0), run_.address(1)},
      operator_(run_, releases_, options.workers, options.seed),
      random_(options.seed) {}

std::vector<std::string> Act::flags() const {
  // Long enough that kills, stops and other reloads fall into it.
  std::vector<std::string> chosen{"--probation", "150ms"};
  if (!options_.idle.empty()) {
    chosen.emplace_back("--idle");
    chosen.push_back(options_.idle);
  }
  return chosen;
}

std::vector<std::string> Act::command() {
  releases_.add_good("good");
  releases_.add("broken", "echo 'cannot read settings' >&2\nexit 3");
  releases_.flip("good");
  return {releases_.command(),
          "--tls-cert",
          certificate_.certificate,
          "--tls-key",
          certificate_.key,
          "--tls-listener",
          "https",
          "--ws-grace",
          "200ms"};
}

ActReport Act::play() {
  try {
    operator_.restore();
    descriptors_ = open_fds(run_.pid()).size();
    const TimePoint end = Clock::now() + options_.duration;
    while (report_.breaches.empty() && (Clock::now() < end || report_.rounds < 2)) round();
    if (report_.breaches.empty()) last_round();
  } catch (const std::exception& error) {
    breach(error.what());
  }
  if (!report_.breaches.empty()) report_.events = run_.events().dump(2000);
  report_.reloads = run_.count("reload_done");
  report_.reloads_failed = run_.count("reload_failed");
  for (const Event& e : run_.all("generation_drained")) {
    report_.handed_off += static_cast<std::uint64_t>(e.number("handed_off"));
    report_.closed_idle += static_cast<std::uint64_t>(e.number("closed_idle"));
  }
  report_.descriptors = descriptors_;
  return report_;
}

// Kills in every other round: the rounds between allow no failure at all.
void Act::round() {
  const bool kills = report_.rounds % 2 == 1;
  const bool shrinks = random_() % 2 == 0;
  Clients clients(doors_, "r" + std::to_string(report_.rounds));
  const TimePoint end = Clock::now() + kRound;
  while (Clock::now() < end) operator_.act(kills, shrinks);
  operator_.reload();
  clients.wake_idle();
  clients.stop();
  operator_.reload();
  const Sightings seen = clients.finish();
  const bool shrunk = operator_.deeds().scaled_down > 0;
  // Whoever has served a request is gone then, and has written its lines.
  operator_.reload();
  operator_.restore();
  settle_accounts(seen, shrunk);
  look_at_supervisor();
  look_at_events();
  if (report_.breaches.empty()) operator_.forget_logs();
  ++report_.rounds;
}

void Act::settle_accounts(const Sightings& seen, bool shrunk) {
  const Deeds& deeds = operator_.deeds();
  const Judgement verdict = judge(seen, deeds.kills, AccessLog::parse(operator_.read_logs()));
  for (const std::string& what : verdict.breaches) breach(what);
  if (handoff() && deeds.kills.empty() && !shrunk && seen.plain_closes > 0) {
    breach(std::to_string(seen.plain_closes) + " plain connections were closed over " +
           std::to_string(deeds.hups) + " HUPs with --idle handoff");
  }
  report_.requests += seen.begun;
  report_.echoes += seen.echoes;
  report_.sockets += seen.sockets_opened;
  report_.closes += seen.plain_closes;
  report_.kills += deeds.kills.size();
  report_.ledger.lines += verdict.lines;
  report_.ledger.requests_killed += verdict.requests_killed;
  report_.ledger.lines_killed += verdict.lines_killed;
  report_.ledger.oldest_line_killed =
      std::max(report_.ledger.oldest_line_killed, verdict.oldest_line_killed);
  report_.deeds.hups += deeds.hups;
  report_.deeds.bad_deploys += deeds.bad_deploys;
  report_.deeds.scaled_up += deeds.scaled_up;
  report_.deeds.scaled_down += deeds.scaled_down;
  report_.deeds.rotations += deeds.rotations;
  operator_.forget_deeds();
}

void Act::look_at_supervisor() {
  if (!is_alive(run_.pid())) return breach("the supervisor is gone");
  if (!eventually([&] { return open_fds(run_.pid()).size() == descriptors_; })) {
    breach("the supervisor has " + std::to_string(open_fds(run_.pid()).size()) +
           " descriptors, in the beginning " + std::to_string(descriptors_));
  }
  for (const pid_t child : children_of(run_.pid())) {
    if (!is_alive(child)) breach("a zombie: " + std::to_string(child));
  }
  report_.rss_late_kib = rss_kib(run_.pid());
  if (report_.rounds < 2) report_.rss_early_kib = report_.rss_late_kib;
  // A sanitizer's quarantine grows with every free.
  const bool sanitized = programs_are_sanitized();
  if (!sanitized && report_.rss_late_kib > report_.rss_early_kib + kRssGrowthKib) {
    breach("the supervisor grew from " + std::to_string(report_.rss_early_kib) + " to " +
           std::to_string(report_.rss_late_kib) + " KiB");
  }
}

// What no client sees, but no healthy run may say.
void Act::look_at_events() {
  const auto bad = run_.events().all([&](const Event& e) {
    if (e.index < events_seen_) return false;
    const std::string name = e.name();
    if (name == "worker_killed" || name == "worker_stuck" || name == "pause_timed_out" ||
        name == "listener_repaired" || name == "events_dropped" || name == "gave_up" ||
        name == "logs_not_reopened") {
      return true;
    }
    return (name == "drained" || name == "generation_drained") && e.number("cut") > 0;
  });
  events_seen_ = run_.mark();
  for (const Event& e : bad) breach("event: " + e.fields.dump());
}

void Act::last_round() {
  LastClients clients(doors_, "last");
  const ExitStatus status = run_.stop();
  const Sightings seen = clients.finish();
  if (status != exited(0)) breach("the stop ended with code " + std::to_string(status.code));
  if (const std::string left = run_.leftovers(); !left.empty()) breach("left behind: " + left);
  for (const Event& e : run_.all("stopped")) {
    if (e.number("cut") + e.number("killed") > 0) breach("event: " + e.fields.dump());
  }
  if (run_.count("started") != 1 || run_.all("started")[0].number("pid") != run_.pid()) {
    breach("the supervisor's pid changed");
  }
  settle_accounts(seen, true);
}

}  // namespace

ActReport play(const ActOptions& options) { return Act(options).play(); }

}  // namespace holdfast::testing
