#include "supervisor/core/option_rows.hpp"

namespace holdfast::supervisor {
namespace {

using Kind = OptionRow::Kind;
using Change = OptionRow::Change;

Result<void> set_protocol(Options& options, const std::string& text) {
  auto protocol = parse_protocol(text);
  if (!protocol) return Error{"'" + text + "' is none of native, systemd, start_server, einhorn"};
  options.foreign.protocol = *protocol;
  return {};
}

Result<void> set_readiness(Options& options, const std::string& text) {
  auto readiness = parse_readiness(text);
  if (!readiness) return readiness.error();
  options.foreign.readiness = std::move(*readiness);
  return {};
}

Result<void> set_probe(Options& options, const std::string& text) {
  const auto probe = parse_probe(with_numbers(text, GenerationId{1}, WorkerId{1}));
  if (!probe) return probe.error();
  options.foreign.probe = text;
  return {};
}

}  // namespace

std::vector<OptionRow> foreign_rows() {
  return {
      {"protocol", "native|systemd|start_server|einhorn",
       "How workers get their listeners and say that they are ready", "native", set_protocol},
      {"readiness", "notify|ack|tcp=ADDRESS|delay[=D]",
       "When a worker of another protocol counts as ready", "the protocol's own", set_readiness},
      {"probe", "tcp:ADDRESS|http://HOST:PORT/PATH",
       "Asked before such a worker counts as accepting, and in probation", "", set_probe},
      {"subreaper", "", "Orphans of workers become ours and are reaped; as PID 1 always", "false",
       set_switch(&Options::subreaper), Kind::Switch, Change::AtRestart},
      {"fdstore", "", "systemd keeps our listeners over a restart of the service", "false",
       set_switch(&Options::fdstore), Kind::Switch, Change::AtRestart},
  };
}

}  // namespace holdfast::supervisor
