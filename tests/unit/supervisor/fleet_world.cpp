#include "tests/unit/supervisor/fleet_world.hpp"

#include <csignal>
#include <stdexcept>

#include "shared/core/overloaded.hpp"

namespace holdfast::supervisor {

void FleetWorld::feed(const FleetEvent& event) {
  const Fleet before = fleet;
  FleetStep next = step(fleet, event, now);
  for (std::string& broken : check_laws(before, next.next, next.actions, now)) {
    broken_laws.push_back(std::move(broken));
  }
  fleet = std::move(next.next);
  for (const FleetAction& action : next.actions) {
    log.push_back(action);
    obey(action);
  }
}

void FleetWorld::obey(const FleetAction& action) {
  const auto duty = [&](WorkerId id, std::vector<Duty> duties) {
    if (auto found = workers.find(id); found != workers.end() && !found->second.ended) {
      std::ranges::copy(duties, std::back_inserter(found->second.duties));
    }
  };
  std::visit(
      overloaded{
          [&](const PrepareGeneration& a) {
            if (refuse_commands) {
              answers.push_back(GenerationRefused{a.generation, "cannot run x: no"});
            } else {
              answers.push_back(GenerationPrepared{a.generation, new_policy, gone_listeners});
            }
          },
          [&](const StartWorker& a) { workers[a.worker] = {a.generation}; },
          [&](const WelcomeWorker& a) { duty(a.worker, {Duty::Ready}); },
          [&](const TellAccept& a) { duty(a.worker, {Duty::Accepting}); },
          [&](const TellPause& a) { duty(a.worker, {Duty::Paused}); },
          [&](const PingWorker& a) { duty(a.worker, {Duty::Pong}); },
          [&](const TellDrain& a) {
            duty(a.worker, {Duty::BeginDrain});
            if (a.reason != DrainReason::Shutdown && a.last_of.empty()) {
              duty(a.worker, {Duty::Drained, Duty::End});
            }
          },
          [&](const TellCloseListeners& a) {
            duty(a.worker, {Duty::CloseListeners, Duty::Drained, Duty::End});
          },
          [&](const AbortWorker& a) { duty(a.worker, {Duty::End}); },
          [&](const TerminateWorker& a) { duty(a.worker, {Duty::End}); },
          [&](const KillWorker& a) { duty(a.worker, {Duty::End}); },
          [&](const ReleaseWorker& a) { workers.erase(a.worker); },
          [&](const MeasureQueues& a) {
            QueuesMeasured measured = queues;
            measured.only_of = a.only_of;
            answers.push_back(measured);
          },
          [](const auto&) {}},
      action);
}

bool FleetWorld::work(WorkerId id) {
  const auto found = workers.find(id);
  if (found == workers.end() || found->second.ended || found->second.duties.empty()) return false;
  const Duty duty = found->second.duties.front();
  found->second.duties.erase(found->second.duties.begin());
  switch (duty) {
    case Duty::None:
      return true;
    case Duty::Hello:
      return feed(WorkerGreeted{id, kProtocol, handoff}), true;
    case Duty::Ready:
      return feed(WorkerBecameReady{id}), true;
    case Duty::Accepting:
      return feed(WorkerAccepted{id}), true;
    case Duty::Paused:
      return feed(WorkerPaused{id}), true;
    case Duty::Pong:
      return feed(WorkerPonged{id}), true;
    case Duty::BeginDrain:
      return feed(WorkerBeganDrain{id, DrainReason::Reload}), true;
    case Duty::Drained:
      return feed(WorkerDrained{id, Drained{3, 0, 1, 0, 0}}), true;
    case Duty::CloseListeners:
      return feed(WorkerClosedListeners{id}), true;
    case Duty::End:
      end_quietly(id);
      return true;
  }
  return false;
}

void FleetWorld::die(WorkerId id, ExitStatus status) {
  const auto found = workers.find(id);
  if (found == workers.end()) return;
  found->second.ended = true;
  feed(WorkerExited{id, status});
  feed(ChannelClosed{id});
}

void FleetWorld::settle() {
  for (bool busy = true; busy;) {
    busy = false;
    std::vector<FleetEvent> waiting;
    waiting.swap(answers);
    for (const FleetEvent& answer : waiting) {
      feed(answer);
      busy = true;
    }
    std::vector<WorkerId> ids;
    for (const auto& [id, ignored] : workers) ids.push_back(id);
    for (const WorkerId id : ids) busy = work(id) || busy;
  }
}

void FleetWorld::fire() { feed(TimerFired{}); }

void FleetWorld::advance(Millis duration) {
  const TimePoint end = now + duration;
  for (int steps = 0; fleet.wake_at && *fleet.wake_at <= end; ++steps) {
    if (steps > 100'000) throw std::logic_error("the timer fires for ever");
    now = std::max(now, *fleet.wake_at);
    fire();
    std::vector<FleetEvent> waiting;
    waiting.swap(answers);
    for (const FleetEvent& answer : waiting) feed(answer);
  }
  now = end;
}

std::vector<WorkerId> FleetWorld::of(GenerationId generation) const {
  std::vector<WorkerId> ids;
  for (const Worker& worker : fleet.workers) {
    if (worker.generation == generation) ids.push_back(worker.id);
  }
  return ids;
}

std::vector<WorkerId> FleetWorld::in(WorkerPhase phase) const {
  std::vector<WorkerId> ids;
  for (const Worker& worker : fleet.workers) {
    if (worker.phase == phase) ids.push_back(worker.id);
  }
  return ids;
}

const Worker& FleetWorld::worker(WorkerId id) const {
  return *std::ranges::find(fleet.workers, id, &Worker::id);
}

std::size_t FleetWorld::accepting(GenerationId generation) const {
  return static_cast<std::size_t>(std::ranges::count_if(fleet.workers, [&](const Worker& worker) {
    return worker.generation == generation && worker.phase == WorkerPhase::Accepting;
  }));
}

std::size_t FleetWorld::reports(const std::string& event) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      all<Report>(), [&](const Report& entry) { return entry.event == event; }));
}

const Report& FleetWorld::last_report(const std::string& event) const {
  for (auto action = log.rbegin(); action != log.rend(); ++action) {
    const auto* entry = std::get_if<Report>(&*action);
    if (entry != nullptr && entry->event == event) return *entry;
  }
  throw std::out_of_range("no event " + event);
}

std::string FleetWorld::text(const std::string& event, const std::string& field) const {
  for (const auto& [key, value] : last_report(event).fields) {
    if (key == field) return std::get<std::string>(value);
  }
  return "";
}

std::uint64_t FleetWorld::number(const std::string& event, const std::string& field) const {
  for (const auto& [key, value] : last_report(event).fields) {
    if (key != field) continue;
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      return static_cast<std::uint64_t>(*number);
    }
    return std::get<std::uint64_t>(value);
  }
  throw std::out_of_range("no field " + field);
}

}  // namespace holdfast::supervisor
