// A world for the fleet without processes or a clock: remembers what each worker was told, answers
// as a good worker would when asked to, and lets a test say anything else. Checks the laws of the
// fleet after each step.
#pragma once

#include <algorithm>
#include <csignal>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/core/fleet.hpp"

namespace holdfast::supervisor {

using namespace std::chrono_literals;

// What a worker of this world does next when it is left to itself.
enum class Duty {
  None,
  Hello,
  Ready,
  Accepting,
  Paused,
  Pong,
  BeginDrain,
  Drained,
  CloseListeners,
  End
};

struct WorldWorker {
  GenerationId generation;
  std::vector<Duty> duties{Duty::Hello};
  bool shutdown = false;  // drains only after its listeners are closed
  bool ended = false;
  bool closed = false;
};

// Commits at once and asks for no heartbeat: for what has nothing to do with either.
inline FleetPolicy plain_policy() {
  FleetPolicy policy;
  policy.probation = Millis{0};
  policy.heartbeat_timeout = Millis{0};
  return policy;
}

class FleetWorld {
 public:
  explicit FleetWorld(FleetPolicy policy = plain_policy()) : fleet(make_fleet(policy)) {}

  // Feeds one event, checks the laws, obeys the actions.
  void feed(const FleetEvent& event);

  // Time passes; the timer fires where it was set.
  void advance(Millis duration);
  void fire();

  // One worker does the next thing that a good worker does; false: it has nothing to do.
  bool work(WorkerId id);
  // All of them, and the answers to PrepareGeneration and MeasureQueues, until nothing is left.
  void settle();

  void start() {
    feed(Started{});
    settle();
  }
  void die(WorkerId id, ExitStatus status = {SIGSEGV, 0});
  void end_quietly(WorkerId id) { die(id, {}); }

  std::vector<WorkerId> of(GenerationId generation) const;
  std::vector<WorkerId> in(WorkerPhase phase) const;
  const Worker& worker(WorkerId id) const;
  std::size_t accepting(GenerationId generation) const;

  // Of all actions so far.
  template <typename Action>
  std::vector<Action> all() const {
    std::vector<Action> found;
    for (const FleetAction& action : log) {
      if (const auto* match = std::get_if<Action>(&action)) found.push_back(*match);
    }
    return found;
  }
  std::size_t reports(const std::string& event) const;
  const Report& last_report(const std::string& event) const;
  std::string text(const std::string& event, const std::string& field) const;
  std::uint64_t number(const std::string& event, const std::string& field) const;

  Fleet fleet;
  TimePoint now{1'000s};
  std::vector<FleetAction> log;
  std::vector<std::string> broken_laws;
  std::map<WorkerId, WorldWorker> workers;
  std::vector<FleetEvent> answers;  // to what io was asked
  bool refuse_commands = false;
  std::optional<FleetPolicy> new_policy;    // what a reload reads
  std::vector<std::string> gone_listeners;  //
  QueuesMeasured queues{};
  std::optional<ProtocolRange> handoff = kHandoffRecords;  // what workers say of themselves

 private:
  void obey(const FleetAction& action);
};

// The laws that hold whatever happens; each broken one is one line.
std::vector<std::string> check_laws(const Fleet& before, const Fleet& after,
                                    const std::vector<FleetAction>& actions, TimePoint now);

}  // namespace holdfast::supervisor
