#include "supervisor/io/metrics_process.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/core/metrics_program.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/io/worker_rights.hpp"

namespace holdfast::supervisor {
namespace {

constexpr const char* kNobody =
    "65534";  // the kernel's own (overflowuid), with an entry or without
// Above all that the child gets: dup2(2) in it must not overwrite what it still needs.
constexpr int kAboveTheChilds = 10;

Result<UniqueFd> duplicate_high(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, kAboveTheChilds));
  if (!copy) return errno_error("duplicate a descriptor", errno);
  return copy;
}

struct SpawnSettings {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
};

// Its own process group: a terminal's Ctrl-C is for the supervisor, who ends it last.
void fill(SpawnSettings& settings, int listener, int status, int output) {
  auto* files = &settings.files;
  ::posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDWR, 0);
  ::posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(files, output, STDERR_FILENO);
  ::posix_spawn_file_actions_adddup2(files, listener, kMetricsListenerFd);
  ::posix_spawn_file_actions_adddup2(files, status, kMetricsStatusFd);
  ::posix_spawn_file_actions_addchdir_np(files, "/");
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  auto* attributes = &settings.attributes;
  ::posix_spawnattr_setsigmask(attributes, &none);
  ::posix_spawnattr_setsigdefault(attributes, &all);
  ::posix_spawnattr_setpgroup(attributes, 0);
  ::posix_spawnattr_setflags(
      attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

}  // namespace

Result<std::string> find_metrics_program() {
  const std::string action = std::string("run ") + kMetricsProgram;
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return errno_error(action, failed.value());
  const std::string program = (self.parent_path() / kMetricsProgram).string();
  if (::access(program.c_str(), X_OK) != 0) return errno_error("run " + program, errno);
  return {boost::system::in_place_value, program};
}

Result<MetricsPlan> plan_metrics(const Options& options) {
  HOLDFAST_ASSIGN(std::string program, find_metrics_program());
  HOLDFAST_ASSIGN(ListenerSet listeners, ListenerSet::open({*options.metrics}));
  MetricsPlan plan{std::move(program), ::geteuid(), ::getegid(), std::move(listeners)};
  if (plan.uid != 0) return plan;
  Options whose;
  whose.user = options.user;
  whose.group = options.group;
  HOLDFAST_ASSIGN(auto account, find_account(whose.user));
  // Workers may be root, by what the operator says or leaves out; what strangers reach never is.
  if (!account || account->uid == 0) {
    whose.user = whose.group = kNobody;
    HOLDFAST_ASSIGN(account, find_account(kNobody));
  }
  HOLDFAST_ASSIGN(const WorkerRights rights, resolve_rights(whose, account));
  plan.uid = rights.identity->uid;
  plan.gid = rights.identity->gid;
  return plan;
}

MetricsProcess::MetricsProcess(boost::asio::io_context& io, MetricsPlan plan, Callbacks callbacks)
    : io_(io), plan_(std::move(plan)), callbacks_(std::move(callbacks)), timer_(io), pidfd_(io) {}

MetricsProcess::~MetricsProcess() { finish(Millis{0}); }

void MetricsProcess::start() {
  started_at_ = Clock::now();
  if (auto spawned = spawn(); !spawned) {
    return retry(warning("metrics_not_started").with("reason", spawned.error().message),
                 std::nullopt);
  }
  callbacks_.on_report(report("metrics_started")
                           .with("pid", static_cast<std::uint64_t>(pid_))
                           .with("address", plan_.listeners.infos().front().address));
  wait_exit();
}

Result<void> MetricsProcess::spawn() {
  const std::string action = "run " + plan_.program;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return errno_error(action, errno);
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  HOLDFAST_ASSIGN(auto output, output_pipe());
  HOLDFAST_ASSIGN(const auto listeners, plan_.listeners.duplicates());
  HOLDFAST_ASSIGN(const UniqueFd listener, duplicate_high(listeners.front().get()));
  HOLDFAST_ASSIGN(const UniqueFd status, duplicate_high(theirs.get()));
  HOLDFAST_ASSIGN(const UniqueFd error, duplicate_high(output.second.get()));
  HOLDFAST_ASSIGN(hang_up_, duplicate(ours.get()));

  SpawnSettings settings;
  fill(settings, listener.get(), status.get(), error.get());
  std::string name = kMetricsProgram;
  std::string uid = std::to_string(plan_.uid);
  std::string gid = std::to_string(plan_.gid);
  char* arguments[] = {name.data(), uid.data(), gid.data(), nullptr};
  char* environment[] = {nullptr};  // of no use to it, and there may be secrets in ours
  const int failed = ::posix_spawn(&pid_, plan_.program.c_str(), &settings.files,
                                   &settings.attributes, arguments, environment);
  if (failed != 0) {
    pid_ = -1;
    return errno_error(action, failed);
  }
  boost::system::error_code taken;
  pidfd_.assign(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), taken);
  if (taken) {
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    return errno_error(action, taken.value());
  }
  WorkerOutput::Callbacks calls;
  calls.on_line = [this](std::string_view line, bool) {
    callbacks_.on_report(warning("metrics_output").with("line", std::string(line)));
  };
  calls.on_pause = [] {};
  output_.emplace(io_, std::move(output.first), std::move(calls));
  callbacks_.on_connected(std::move(ours));
  return {};
}

void MetricsProcess::wait_exit() {
  pidfd_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](boost::system::error_code failed) {
                      if (!failed) on_exit();
                    });
}

void MetricsProcess::on_exit() {
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return wait_exit();  // as WorkerProcess::reap()
  output_->finish();
  Report exited = warning("metrics_exited").with("pid", static_cast<std::uint64_t>(pid_));
  if (WIFSIGNALED(status))
    exited.with("signal", std::int64_t{WTERMSIG(status)});
  else
    exited.with("exit_code", std::int64_t{WEXITSTATUS(status)});
  pid_ = -1;
  pidfd_.close();
  output_.reset();
  hang_up_.reset();
  retry(std::move(exited), Clock::now() - started_at_);
}

void MetricsProcess::retry(Report report, std::optional<Clock::duration> ran_for) {
  const Millis delay = history_.died(ran_for);
  report.with("restart_in_ms", static_cast<std::uint64_t>(delay.count()));
  callbacks_.on_report(report);
  timer_.expires_after(delay);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) start();
  });
}

void MetricsProcess::finish(Millis timeout) {
  timer_.cancel();
  plan_.listeners.shut();
  if (pid_ < 0) return;
  ::shutdown(hang_up_.get(), SHUT_RDWR);
  pollfd ended{pidfd_.native_handle(), POLLIN, 0};
  const TimePoint until = Clock::now() + timeout;
  int ready = 0;
  do {
    const auto left = std::chrono::duration_cast<Millis>(until - Clock::now());
    ready = ::poll(&ended, 1, static_cast<int>(std::max<Millis::rep>(0, left.count())));
  } while (ready < 0 && errno == EINTR);
  if (ready != 1) ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pidfd_.close();
}

}  // namespace holdfast::supervisor
