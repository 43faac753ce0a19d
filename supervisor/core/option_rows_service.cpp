#include <algorithm>

#include "supervisor/core/option_rows.hpp"

namespace holdfast::supervisor {
namespace {

using Kind = OptionRow::Kind;
using Change = OptionRow::Change;
using Where = OptionRow::Where;

Result<void> set_name(Options& options, const std::string& text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  const bool good = !text.empty() && text.size() <= 64 && text.front() != '.' &&
                    std::ranges::all_of(text, allowed);
  if (!good) return Error{"a name is 1 to 64 of A-Z a-z 0-9 . _ -"};
  options.name = text;
  return {};
}

Result<void> add_listener(Options& options, const std::string& text) {
  HOLDFAST_ASSIGN(ListenerSpec spec, parse_listener_spec(text));
  options.listeners.push_back(std::move(spec));
  return {};
}

Result<void> set_metrics(Options& options, const std::string& text) {
  HOLDFAST_ASSIGN(ListenAddress address, parse_listen_address(text));
  options.metrics = ListenerSpec{"metrics", std::move(address)};
  return {};
}

Result<void> set_workers(Options& options, const std::string& text) {
  if (text == "auto") {
    options.fleet.workers = 0;
    return {};
  }
  HOLDFAST_ASSIGN(const std::int64_t workers, parse_number_from(text, 1, kMaxWorkers));
  options.fleet.workers = static_cast<std::size_t>(workers);
  return {};
}

// Arguments may be empty, unlike everything else.
Result<void> add_argument(Options& options, const std::string& text) {
  options.command.push_back(text);
  return {};
}

constexpr std::size_t kLongestLabel = 128;

Result<void> set_label(Options& options, const std::string& text) {
  const auto printable = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; };
  if (text.size() > kLongestLabel || !std::ranges::all_of(text, printable)) {
    return Error{"a label has at most 128 bytes and no control characters"};
  }
  options.label = text;
  return {};
}

}  // namespace

std::vector<OptionRow> service_rows() {
  return {
      {"config", "FILE", "Read more options from FILE, anew at each reload", "",
       set_text(&Options::config), Kind::Text, Change::AtRestart, Where::NotInFile},
      {"name", "NAME", "Name of this supervisor; one live one a name", "default", set_name,
       Kind::Text, Change::AtRestart},
      {"listen", "[NAME=]ADDRESS",
       "127.0.0.1:80, [::1]:80, :80, unix:/path[,mode=0660,user=U,group=G], unix:@abstract; "
       "port 0 is any free one; NAME defaults to http; repeatable",
       "", add_listener, Kind::List},
      {"command", "COMMAND", "What workers run; on the command line behind --", "", add_argument,
       Kind::List, Change::AtReload, Where::OnlyInFile},
      {"workers", "N|auto", "Worker processes; auto: one a CPU", "1", set_workers, Kind::Number},
      {"label", "TEXT", "What this deploy is called in events, status and access log", "",
       set_label},
      {"access-log", "PATH|stdout|stderr|off", "Where requests are logged", "stdout",
       set_text(&Options::access_log), Kind::Text, Change::AtRestart},
      {"metrics", "ADDRESS", "Serve /metrics, /livez, /readyz and a status page there", "",
       set_metrics, Kind::Text, Change::AtRestart},
      {"pid-file", "PATH", "Written once the service accepts, removed at stop", "",
       set_text(&Options::pid_file), Kind::Text, Change::AtRestart},
      {"control", "PATH", "Socket for reload, status and the other commands",
       "NAME.sock in /run/holdfast or yours", set_text(&Options::control), Kind::Text,
       Change::AtRestart},
      {"control-group", "GROUP", "Who may use it beside root and its owner", "",
       set_text(&Options::control_group), Kind::Text, Change::AtRestart},
  };
}

}  // namespace holdfast::supervisor
