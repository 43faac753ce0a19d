#include "shared/core/whole_number.hpp"
#include "supervisor/core/option_rows.hpp"

namespace holdfast::supervisor {
namespace {

using Kind = OptionRow::Kind;

// A later one of the same name takes the place of the earlier.
Result<void> add_variable(Options& options, const std::string& text) {
  HOLDFAST_ASSIGN(EnvironmentEntry entry, parse_environment_entry(text));
  options.environment.push_back(std::move(entry));
  return {};
}

Result<void> set_nofile(Options& options, const std::string& text) {
  HOLDFAST_ASSIGN(const std::int64_t limit, parse_number_from(text, 16, 1'000'000'000));
  options.nofile = static_cast<std::uint64_t>(limit);
  return {};
}

Result<void> set_umask(Options& options, const std::string& text) {
  const auto mask = whole_number<unsigned>(text, 8);
  if (!mask || *mask > 0777) {
    return Error{"'" + text + "' is not an octal number from 0 to 0777"};
  }
  options.umask = *mask;
  return {};
}

Result<void> set_nice(Options& options, const std::string& text) {
  HOLDFAST_ASSIGN(const std::int64_t nice, parse_number_from(text, -20, 19));
  options.nice = static_cast<int>(nice);
  return {};
}

}  // namespace

std::vector<OptionRow> process_rows() {
  return {
      {"cwd", "DIR", "Working directory, looked up anew at each reload", "$PWD",
       set_text(&Options::cwd)},
      {"env", "NAME=VALUE|NAME", "A variable of the workers; NAME alone: as here; repeatable", "",
       add_variable, Kind::Map},
      {"env-file", "FILE", "Lines NAME=VALUE, read anew at each reload; repeatable", "",
       set_list(&Options::env_files), Kind::List},
      {"clean-env", "", "Workers get only what --env and --env-file say", "false",
       set_switch(&Options::clean_env), Kind::Switch},
      {"user", "USER", "Workers run as USER, a name or a number", "the supervisor's own",
       set_text(&Options::user)},
      {"group", "GROUP", "and as GROUP", "the group of --user", set_text(&Options::group)},
      {"groups", "GROUP", "and in GROUP too; repeatable", "those of --user",
       set_list(&Options::groups), Kind::List},
      {"no-new-privs", "", "Workers can gain no rights by exec (prctl(2))", "false",
       set_switch(&Options::no_new_privs), Kind::Switch},
      {"nofile", "N", "Workers may have N descriptors", "the supervisor's own", set_nofile,
       Kind::Number},
      {"umask", "MASK", "Mode bits that files of workers never get, octal", "the supervisor's own",
       set_umask},
      {"nice", "N", "Priority of workers, from -20 to 19", "the supervisor's own", set_nice,
       Kind::Number},
  };
}

}  // namespace holdfast::supervisor
