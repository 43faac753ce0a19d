#include "shared/core/byte_size.hpp"
#include "shared/core/duration.hpp"
#include "supervisor/core/option_rows.hpp"

namespace holdfast::supervisor {
namespace {

using Kind = OptionRow::Kind;

OptionRow span(std::string name, Millis FleetPolicy::*member, std::string help) {
  return {std::move(name), "D", std::move(help), format_duration(FleetPolicy{}.*member),
          set_fleet_time(member)};
}

template <typename Number>
OptionRow count_of(std::string name, Number FleetPolicy::*member, std::int64_t low,
                   std::int64_t high, std::string help) {
  const auto set = [=](Options& options, const std::string& text) -> Result<void> {
    HOLDFAST_ASSIGN(const std::int64_t value, parse_number_from(text, low, high));
    options.fleet.*member = static_cast<Number>(value);
    return {};
  };
  return {std::move(name), "N", std::move(help), std::to_string(FleetPolicy{}.*member), set,
          Kind::Number};
}

Result<void> set_probation_errors(Options& options, const std::string& text) {
  const auto share = text.ends_with('%')
                         ? parse_number_from(text.substr(0, text.size() - 1), 0, 100)
                         : parse_number_from({}, 0, 100);
  if (!share) return Error{"'" + text + "' is not a share from 0% to 100%"};
  options.fleet.probation_errors = static_cast<unsigned>(*share);
  return {};
}

Result<void> set_max_rss(Options& options, const std::string& text) {
  HOLDFAST_ASSIGN(options.fleet.max_rss, parse_byte_size(text));
  return {};
}

}  // namespace

std::vector<OptionRow> deploy_rows() {
  return {
      count_of("max-old-generations", &FleetPolicy::max_old_generations, 1, 1'000,
               "How many may drain at once; then reloads wait"),
      span("probation", &FleetPolicy::probation,
           "A new generation proves itself for D before the old one leaves; 0: not at all"),
      {"probation-errors", "P%", "Fails it when more of its answers are 5xx, and more than before",
       "50%", set_probation_errors},
      count_of("canary", &FleetPolicy::canary, 0, kMaxWorkers,
               "N workers prove themselves before the others start; 0: no canary"),
      span("canary-time", &FleetPolicy::canary_time, "They do so for D"),
      {"no-rollback", "", "A new generation that accepts stays, whatever it does", "false",
       set_fleet_switch(&FleetPolicy::rollback, false), Kind::Switch},
  };
}

std::vector<OptionRow> health_rows() {
  return {
      count_of("give-up", &FleetPolicy::give_up, 1, 1'000'000,
               "Deaths in a row before ready after which run ends"),
      span("heartbeat-timeout", &FleetPolicy::heartbeat_timeout,
           "A worker that does not answer for D is replaced; 0: nobody asks"),
      count_of("max-requests", &FleetPolicy::max_requests, 0, 1'000'000'000'000'000,
               "A worker that has served N requests is replaced; 0: never"),
      {"max-rss", "SIZE", "A worker that uses more memory is replaced; 0: never", "0", set_max_rss},
      span("max-age", &FleetPolicy::max_age, "A worker that is older than D is replaced; 0: never"),
  };
}

}  // namespace holdfast::supervisor
