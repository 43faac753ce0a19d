#include "supervisor/io/generation_environment.hpp"

#include <map>

#include "supervisor/io/launch_plan.hpp"
#include "supervisor/io/whole_file.hpp"

namespace holdfast::supervisor {
namespace {

using Variables = std::map<std::string, std::string>;

Variables own_variables() {
  Variables variables;
  for (const std::string& entry : worker_environment()) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string::npos)
      variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return variables;
}

// As a login would set them; what a root shell left there is wrong for the user.
void describe_user(Variables& variables, const Account& account) {
  variables["USER"] = account.name;
  variables["LOGNAME"] = account.name;
  variables["HOME"] = account.home;
  variables["SHELL"] = account.shell;
}

Result<std::string> value_in_file(const EnvironmentEntry& entry, const std::string& cwd) {
  const std::string path = under(cwd, entry.value);
  auto text = read_whole_file(path);
  const std::string what = "read " + path + " for the variable " + entry.name;
  if (!text) return text.error().code != 0 ? errno_error(what, text.error().code) : text.error();
  if (text->ends_with('\n')) text->pop_back();
  if (text->find('\0') != std::string::npos) return plain_error(what, "it contains a NUL byte");
  return text;
}

}  // namespace

Result<std::vector<std::string>> generation_environment(const Options& options,
                                                        const std::optional<Account>& account,
                                                        const std::string& real_cwd) {
  const Variables own = own_variables();
  Variables variables = options.clean_env ? Variables() : own;
  if (account && !account->name.empty()) describe_user(variables, *account);
  for (const std::string& file : options.env_files) {
    const std::string path = under(options.cwd, file);
    HOLDFAST_ASSIGN(const std::string text, read_whole_file(path));
    HOLDFAST_ASSIGN(const auto entries, parse_environment_file(path, text));
    for (const EnvironmentEntry& entry : entries) variables[entry.name] = entry.value;
  }
  for (const EnvironmentEntry& entry : options.environment) {
    variables.erase(entry.name);
    switch (entry.source) {
      case EnvironmentEntry::Source::Text:
        variables[entry.name] = entry.value;
        break;
      case EnvironmentEntry::Source::File: {
        HOLDFAST_ASSIGN(variables[entry.name], value_in_file(entry, options.cwd));
        break;
      }
      case EnvironmentEntry::Source::Inherited:
        if (const auto found = own.find(entry.name); found != own.end())
          variables[entry.name] = found->second;
        break;
      case EnvironmentEntry::Source::Removed:
        break;
    }
  }
  variables["PWD"] = real_cwd;
  std::vector<std::string> environment;
  for (const auto& [name, value] : variables)
    environment.push_back(std::string(name).append("=").append(value));
  return environment;
}

}  // namespace holdfast::supervisor
