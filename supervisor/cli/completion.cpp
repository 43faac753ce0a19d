#include "supervisor/cli/completion.hpp"

#include <algorithm>
#include <vector>

#include <CLI/CLI.hpp>

namespace holdfast::supervisor {
namespace {

struct Flag {
  std::string name;   // with its dashes
  std::string value;  // what it takes, "" for nothing
  std::string help;
};

std::vector<Flag> flags_of(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      flags.push_back({"--" + name, option->get_expected_max() > 0 ? option->get_type_name() : "",
                       option->get_description()});
  }
  return flags;
}

bool takes_a_path(const Flag& flag) {
  return flag.value.find("PATH") != std::string::npos ||
         flag.value.find("FILE") != std::string::npos || flag.value == "DIR";
}

std::string names_of(const std::vector<Flag>& flags, bool (*wanted)(const Flag&),
                     const char* separator) {
  std::string names;
  for (const Flag& flag : flags) {
    if (wanted(flag)) names += (names.empty() ? "" : separator) + flag.name;
  }
  return names;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// The command of the service is completed as a command line of its own, behind the --.
std::string bash_script(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : commands_of(app)) {
    const auto flags = flags_of(*command);
    const std::string paths = names_of(flags, takes_a_path, "|");
    const std::string values = names_of(
        flags, [](const Flag& flag) { return !flag.value.empty() && !takes_a_path(flag); }, "|");
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += "    " + command->get_name() + ")\n      case $previous in\n";
    if (!paths.empty())
      cases += "        " + paths + ") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n";
    cases +=
        "        --wait) COMPREPLY=($(compgen -W 'committed drained' -- \"$current\"))\n"
        "          [[ $current == -* ]] || return ;;\n";
    if (!values.empty()) cases += "        " + values + ") return ;;\n";
    cases += "      esac\n      COMPREPLY=($(compgen -W '" +
             names_of(
                 flags, [](const Flag&) { return true; }, " ") +
             "' -- \"$current\")) ;;\n";
  }
  return "# bash completion of holdfast; made by `holdfast completion bash`\n"
         "_holdfast() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    if [[ ${COMP_WORDS[i]} == -- ]]; then\n"
         "      declare -F _command_offset >/dev/null && _command_offset $((i + 1))\n"
         "      return\n"
         "    fi\n"
         "  done\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    COMPREPLY=($(compgen -W '" +
         commands +
         " --help --version' -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "}\n"
         "complete -o filenames -F _holdfast holdfast\n";
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_script(const CLI::App& app) {
  std::string out =
      "# fish completion of holdfast; made by `holdfast completion fish`\n"
      "complete -c holdfast -f\n";
  for (const CLI::App* command : commands_of(app)) {
    out += "complete -c holdfast -n __fish_use_subcommand -a " + command->get_name() + " -d " +
           quoted(command->get_description()) + "\n";
    for (const Flag& flag : flags_of(*command)) {
      out += "complete -c holdfast -n '__fish_seen_subcommand_from " + command->get_name() +
             "' -l " + flag.name.substr(2);
      if (!flag.value.empty() && flag.name != "--wait") out += takes_a_path(flag) ? " -rF" : " -x";
      out += " -d " + quoted(flag.help) + "\n";
    }
  }
  return out;
}

std::string zsh_script(const CLI::App& app) {
  return "#compdef holdfast\n# zsh completion of holdfast; made by `holdfast completion zsh`\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(app);
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  if (shell == "fish") return fish_script(app);
  return shell == "zsh" ? zsh_script(app) : bash_script(app);
}

}  // namespace holdfast::supervisor
