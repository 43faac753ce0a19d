#include "supervisor/core/option_row.hpp"

#include "shared/core/duration.hpp"
#include "shared/core/whole_number.hpp"

namespace holdfast::supervisor {
namespace {

template <typename Member>
Result<void> assign_time(Member& member, const std::string& text) {
  HOLDFAST_ASSIGN(member, parse_duration(text));
  return {};
}

}  // namespace

OptionRow::Set set_text(std::string Options::*member) {
  return [member](Options& options, const std::string& text) -> Result<void> {
    if (text.empty()) return Error{"a value is missing"};
    options.*member = text;
    return {};
  };
}

OptionRow::Set set_list(std::vector<std::string> Options::*member) {
  return [member](Options& options, const std::string& text) -> Result<void> {
    if (text.empty()) return Error{"a value is missing"};
    (options.*member).push_back(text);
    return {};
  };
}

OptionRow::Set set_switch(bool Options::*member, bool when_true) {
  return [member, when_true](Options& options, const std::string& text) -> Result<void> {
    HOLDFAST_ASSIGN(const bool on, parse_switch(text));
    options.*member = on == when_true;
    return {};
  };
}

OptionRow::Set set_fleet_switch(bool FleetPolicy::*member, bool when_true) {
  return [member, when_true](Options& options, const std::string& text) -> Result<void> {
    HOLDFAST_ASSIGN(const bool on, parse_switch(text));
    options.fleet.*member = on == when_true;
    return {};
  };
}

OptionRow::Set set_time(std::optional<Millis> Options::*member) {
  return [member](Options& options, const std::string& text) {
    return assign_time(options.*member, text);
  };
}

OptionRow::Set set_fleet_time(Millis FleetPolicy::*member) {
  return [member](Options& options, const std::string& text) {
    return assign_time(options.fleet.*member, text);
  };
}

Result<std::int64_t> parse_number_from(std::string_view text, std::int64_t low, std::int64_t high) {
  const auto value = whole_number<std::int64_t>(text);
  if (!value || *value < low || *value > high) {
    return Error{"'" + std::string(text) + "' is not a number from " + std::to_string(low) +
                 " to " + std::to_string(high)};
  }
  return *value;
}

Result<bool> parse_switch(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (text == no) return false;
  }
  return Error{"'" + std::string(text) + "' is neither true nor false"};
}

}  // namespace holdfast::supervisor
