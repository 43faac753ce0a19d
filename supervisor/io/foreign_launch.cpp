#include "supervisor/io/foreign_launch.hpp"

#include <unistd.h>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

Result<LaunchPlan> written_for(const ForeignLaunch& launch, const ForeignStart& start,
                               const ForeignEnvironment& added) {
  LaunchPlan plan = launch.plan;
  for (std::string& argument : plan.arguments) {
    HOLDFAST_ASSIGN(argument, with_descriptors(argument, start));
  }
  for (std::string& variable : plan.environment) {
    // What only looks like a placeholder may be in anybody's environment.
    if (auto written = with_descriptors(variable, start)) variable = std::move(*written);
  }
  plan.environment = merge_environment(std::move(plan.environment), added);
  return plan;
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> launch_foreign(boost::asio::io_context& io,
                                                      ProcessLauncher& launcher,
                                                      const ForeignLaunch& launch,
                                                      ForeignCalls calls) {
  const WorkerProtocol protocol = launch.options.protocol;
  ForeignSetup setup;
  setup.worker = launch.worker;
  setup.protocol = protocol;
  setup.readiness = launch.options.readiness.value_or(default_readiness(protocol));
  setup.probe_for = launch.probation;
  setup.on_report = std::move(calls.on_report);
  if (!launch.options.probe.empty()) {
    HOLDFAST_ASSIGN(setup.probe, parse_probe(with_numbers(launch.options.probe, launch.generation,
                                                          launch.worker)));
  }
  ForeignStart start{protocol, launch.generation, launch.worker, launch.listeners};
  start.supervisor_pid = ::getpid();
  start.child_index = launch.child_index;
  LaunchDescriptors descriptors;
  descriptors.from_three = launch.descriptors;
  if (protocol == WorkerProtocol::Systemd || setup.readiness.kind == ReadinessKind::Notify) {
    HOLDFAST_ASSIGN(NotifySocket notify, NotifySocket::open());
    setup.notify = std::make_unique<NotifySocket>(std::move(notify));
    start.notify_socket = setup.notify->address();
    // Half of it, because silence is noticed first and then counts as unanswered pings.
    if (launch.heartbeat_timeout > Millis{0}) {
      start.watchdog = setup.watchdog = launch.heartbeat_timeout / 2;
    }
  }
  if (protocol == WorkerProtocol::Einhorn) {
    HOLDFAST_ASSIGN(EinhornSocket einhorn, EinhornSocket::open());
    setup.einhorn = std::make_unique<EinhornSocket>(std::move(einhorn));
    start.einhorn_path = setup.einhorn->path();
    start.einhorn_fd = kFirstListener + static_cast<int>(descriptors.from_three.size());
    descriptors.from_three.push_back(setup.einhorn->worker_end());
  }
  const ForeignEnvironment added = environment_for(start);
  descriptors.pid_variables = added.pid_variables;
  HOLDFAST_ASSIGN(const LaunchPlan plan, written_for(launch, start, added));
  HOLDFAST_ASSIGN(auto output, output_pipe());
  descriptors.stderr_target = output.second.get();
  HOLDFAST_ASSIGN(LaunchedProcess launched, launcher.launch(plan, descriptors));
  const pid_t pid = launched.pid;
  return std::unique_ptr<WorkerProcess>(std::make_unique<ForeignWorkerProcess>(
      io, launch.generation, std::move(launched), std::move(output.first), calls.worker(pid),
      std::move(setup)));
}

}  // namespace holdfast::supervisor
