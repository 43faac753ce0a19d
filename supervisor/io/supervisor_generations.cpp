// What a generation is made of: read anew for each one, kept for as long as workers of it may
// start.
#include "supervisor/io/random_ticket_key.hpp"
#include "supervisor/io/supervisor.hpp"

namespace holdfast::supervisor {

// All of it is read anew; a mistake in it changes nothing.
void Supervisor::perform(const PrepareGeneration& action) {
  renew_ticket_keys();
  if (auto made = operators_.server().restore(options_.control_group); !made) {
    perform(warning("control_socket_lost").with("reason", made.error().message));
  } else if (*made) {
    perform(warning("control_socket_restored"));
  }
  auto gone = prepare(action.generation);
  if (!gone) return answer(GenerationRefused{action.generation, gone.error().message});
  const GenerationSettings& settings = settings_.at(action.generation);
  for (const std::string& key : needs_restart(values_, settings.values)) {
    perform(warning("option_needs_restart")
                .with("generation", action.generation.value)
                .with("option", key));
  }
  answer(GenerationPrepared{action.generation, settings.options.fleet, std::move(*gone)});
}

Result<std::vector<std::string>> Supervisor::prepare(GenerationId generation) {
  HOLDFAST_ASSIGN(GenerationSettings settings, read_generation_settings(sources_));
  const bool native = settings.options.foreign.protocol == WorkerProtocol::Native;
  HOLDFAST_ASSIGN(auto gone, listeners_.prepare(generation, settings.options.listeners,
                                                native ? TakenBack::AtCommit : TakenBack::AtOnce));
  settings_[generation] = std::move(settings);
  return gone;
}

void Supervisor::renew_ticket_keys() {
  const TimePoint now = Clock::now();
  if (!ticket_keys_.wants_another(now)) return;
  auto key = random_ticket_key();
  if (!key) return perform(warning("ticket_key_not_made").with("reason", key.error().message));
  ticket_keys_.add(*key, now);
}

void Supervisor::perform(const ForgetGeneration& action) {
  settings_.erase(action.generation);
  for (const Error& error : listeners_.forget(action.generation))
    perform(warning("socket_access_not_changed").with("reason", error.message));
}

}  // namespace holdfast::supervisor
