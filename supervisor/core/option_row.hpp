// One option of `holdfast run`: its name gives the flag, the environment variable and the key in
// the file, so that nobody can add one without the others.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/core/result.hpp"
#include "supervisor/core/options.hpp"

namespace holdfast::supervisor {

struct OptionRow {
  enum class Kind {
    Text,
    Number,  // in the file also without quotes
    Switch,  // a flag without a value; true or false elsewhere
    List,    // repeatable; an array in the file
    Map      // repeatable NAME=VALUE; an object in the file
  };
  enum class Where { Everywhere, NotInFile, OnlyInFile };
  enum class Change { AtReload, AtRestart };
  using Set = std::function<Result<void>(Options&, const std::string&)>;

  std::string name;      // "ready-timeout"
  std::string type;      // of its value, as help shows it: "D"
  std::string help;      // one line, without the default
  std::string fallback;  // the default, as help shows it; empty: there is none
  Set set;               // fails with what is wrong with the value; then nothing was changed
  Kind kind = Kind::Text;
  Change change = Change::AtReload;
  Where where = Where::Everywhere;
};

// Setters for what many options are.
OptionRow::Set set_text(std::string Options::*member);
OptionRow::Set set_list(std::vector<std::string> Options::*member);
OptionRow::Set set_switch(bool Options::*member, bool when_true = true);
OptionRow::Set set_time(std::optional<Millis> Options::*member);
OptionRow::Set set_fleet_time(Millis FleetPolicy::*member);
OptionRow::Set set_fleet_switch(bool FleetPolicy::*member, bool when_true = true);

// "'0' is not a number from 1 to 1024".
Result<std::int64_t> parse_number_from(std::string_view text, std::int64_t low, std::int64_t high);
Result<bool> parse_switch(std::string_view text);

}  // namespace holdfast::supervisor
