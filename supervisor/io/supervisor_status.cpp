// What operators may learn and use of the supervisor.
#include <unistd.h>

#include "supervisor/io/supervisor.hpp"

namespace holdfast::supervisor {

Operators::Host Supervisor::host() {
  return {[this](const FleetEvent& event) { feed(event); },
          [this]() -> const Fleet& { return fleet_; },
          [this](const Report& said) {
            perform(said);
            events_.flush();
          },
          [this] {
            auto reopened = reopen_logs();
            events_.flush();
            return reopened;
          },
          [this] { return status_facts(); }};
}

StatusFacts Supervisor::status_facts() {
  const TimePoint now = Clock::now();
  StatusFacts facts;
  facts.pid = ::getpid();
  facts.name = options_.name;
  facts.version = HOLDFAST_VERSION;
  facts.started_at = started_at_;
  if (fleet_.serving && settings_.contains(*fleet_.serving))
    facts.label = settings_.at(*fleet_.serving).options.label;
  facts.listeners = listeners_.infos();
  for (const auto& [id, process] : workers_)
    facts.processes[id] = {process->pid(), memory_.resident(process->pid(), now)};
  memory_.forget_old(now);
  return facts;
}

}  // namespace holdfast::supervisor
