// Every option of `holdfast run`, with its default and the reason for it. Filled by
// supervisor/cli, read by the rest; pure data. docs/options.md shows the same table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/core/listen_address.hpp"
#include "shared/core/time.hpp"
#include "supervisor/core/environment_entry.hpp"
#include "supervisor/core/fleet_policy.hpp"
#include "supervisor/core/foreign_options.hpp"

namespace holdfast::supervisor {

struct Options {
  std::string config;  // the file; empty: none

  // Client commands find a supervisor by name; most hosts run one.
  std::string name = "default";

  std::vector<ListenerSpec> listeners;  // at least one

  // workers: 1. One process is one thread, and the operator knows better than the number of CPUs
  //   how much memory each may take; `auto` is the number of CPUs that this process may use (0,
  //   until io has counted them).
  // ready_timeout: 60s. Services that warm caches take tens of seconds; traffic goes on meanwhile.
  // pause_timeout: 2s. Pausing is one epoll_ctl(2); a worker that is late must not hold a deploy.
  // stop_timeout: 60s. Longer than nearly all requests, shorter than an operator's patience.
  // stop_timeout_max: as stop_timeout. For transfers that still move bytes; a stop that lasts
  //   longer than stop_timeout says must be asked for.
  // kill_timeout: 10s. After stop_timeout a worker only cuts and flushes its log; and the sum stays
  //   below the 90s after which systemd kills everything (systemd.service(5), TimeoutStopSec).
  // syn_wait: 500ms. Two slow round trips; a handshake that takes longer is retried by its client.
  // lame_duck: 0s. Only behind a load balancer that asks for readiness is it worth a slower stop.
  // give_up: 10 deaths in a row take half a minute with the back-off: no accident any more.
  // idle: close. The policy that every worker and protocol knows; handoff keeps connections of
  //   plain HTTP open, and asks the new version to be one that can take them.
  // max_old_generations: 4. Each one costs its memory while long requests last.
  // probation: 1s. A version that cannot serve shows it in its first requests; a deploy waits
  //   gladly that long.
  // probation_errors: 50%. Fewer may be one broken page; the old generation's share counts too.
  // canary: 0. Half a new version in front of clients is a choice, not a default.
  // canary_time: 10s. Enough requests to judge one worker by, at a request a second.
  // rollback: true. Nobody misses a way back until they need it.
  // heartbeat_timeout: 30s. Longer than any pause of a live event loop, collectors included.
  // max_requests, max_rss, max_age: 0, without bound. Leaks are better mended than hidden.
  FleetPolicy fleet;

  // Unset: what the worker was compiled with.
  std::optional<Millis> new_grace;
  std::optional<Millis> idle_grace;
  std::optional<Millis> idle_spread;
  std::optional<Millis> orphan_timeout;

  // Standard output is what container platforms collect; events and worker output go to stderr.
  std::string access_log = "stdout";

  // The logical working directory, as the operator typed it: a deploy that turns a symlink in it is
  // seen by the next reload. Empty: $PWD if it names the same directory as ".", else that.
  std::string cwd;

  std::string pid_file;  // empty: none

  // Where holdfast-metrics listens. None: a port nobody asked for is a port somebody else wants.
  std::optional<ListenerSpec> metrics;

  // protocol: native. What is linked with the library can be paused and asked; the others are for
  //   services that are not.
  // readiness: what the protocol has; a service that says nothing gets a second to fail.
  // probe: none. An address of the worker's own says more than one that two generations share.
  ForeignOptions foreign;

  // Orphans of workers are the init process's business; where we are that process, they always are
  // ours.
  bool subreaper = false;
  // Listeners that outlive a stop would surprise everybody who did not ask for it.
  bool fdstore = false;

  // Where operators are heard. Empty: NAME.sock in the runtime directory, where it can be made; one
  // that was asked for must be made.
  std::string control;
  // Who may use it beside root and its owner. Nobody: a reload is what it costs to run any command.
  std::string control_group;

  std::vector<std::string> command;

  // What the deploy is called, for people who read events, status and logs: a commit, a version.
  std::string label;

  // Workers get the supervisor's own environment, as any program does that a shell starts; then
  // the files, then the entries.
  bool clean_env = false;
  std::vector<std::string> env_files;
  std::vector<EnvironmentEntry> environment;

  // Whose rights workers have. Empty: the supervisor's own. `groups`: the supplementary ones;
  // empty: those of `user` in the group database, as a login would give.
  std::string user;
  std::string group;
  std::vector<std::string> groups;
  // A service that needs to gain rights by executing a set-user-ID program is rare, and one that
  // does without knowing is a hole; but sudo and ping in a worker must not break unasked.
  bool no_new_privs = false;
  // Unset: as the supervisor's own.
  std::optional<std::uint64_t> nofile;
  std::optional<unsigned> umask;
  std::optional<int> nice;
};

}  // namespace holdfast::supervisor
