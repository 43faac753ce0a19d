#include "tests/support/supervisor_run.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>
#include <unistd.h>
#include <utility>

#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

// The test's side reads; the other end is the supervisor's stderr and nobody else's.
std::pair<UniqueFd, UniqueFd> stderr_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string unique_name() {
  static std::atomic<int> number{0};
  return "test-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

std::vector<std::string> command_line(const SupervisorOptions& options, const std::string& name,
                                      const std::string& access_log) {
  std::vector<std::string> argv = options.wrapper;
  for (const std::string& part : {holdfast_path(), std::string("run"), std::string("--name"), name,
                                  std::string("--access-log"), access_log}) {
    argv.push_back(part);
  }
  if (!options.workers.empty()) argv.insert(argv.end(), {"--workers", options.workers});
  for (const std::string& listen : options.listen) {
    argv.emplace_back("--listen");
    argv.push_back(listen);
  }
  // Most tests have nothing to do with probation and reload often.
  const auto chosen = [](const std::string& flag) {
    return flag == "--probation" || flag == "--config";
  };
  if (std::none_of(options.flags.begin(), options.flags.end(), chosen)) {
    argv.emplace_back("--probation");
    argv.emplace_back("0s");
  }
  argv.insert(argv.end(), options.flags.begin(), options.flags.end());
  // The file has it.
  const auto has_file = [](const std::string& flag) { return flag == "--config"; };
  if (options.command.empty() &&
      std::any_of(options.flags.begin(), options.flags.end(), has_file)) {
    return argv;
  }
  argv.emplace_back("--");
  if (options.command.empty()) argv.push_back(demo_path());
  argv.insert(argv.end(), options.command.begin(), options.command.end());
  return argv;
}

}  // namespace

std::string holdfast_path() { return HOLDFAST_PATH; }
std::string demo_path() { return HOLDFAST_DEMO_PATH; }

SupervisorRun::SupervisorRun(SupervisorOptions options)
    : name_(unique_name()),
      access_log_(options.access_log.empty() ? files_.file("access.log") : options.access_log) {
  auto [ours, theirs] = stderr_pipe();
  // Workers have it too: a test that dies must not leave any of them with ctest's pipe.
  const UniqueFd nothing(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  process_ = std::make_unique<ChildProcess>(
      ChildOptions{.argv = command_line(options, name_, access_log_),
                   .environment = options.environment,
                   .without = {"HOLDFAST_CONTROL"},
                   .cwd = options.cwd,
                   .out = options.out >= 0 ? options.out : nothing.get(),
                   .err = theirs.get(),
                   .pass = options.pass});
  theirs.reset();
  events_ = std::make_unique<EventReader>(std::move(ours));
}

SupervisorRun::~SupervisorRun() {
  // The supervisor first, so that it respawns nobody; its workers then are children of ours.
  process_->signal(SIGKILL);
  process_->wait_exit();
  end_strays();
  for (const char* folder : {"/run/holdfast", "/tmp"}) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      const std::string file = entry.path().filename().string();
      if (file == name_ || file.starts_with(name_ + ".")) {
        std::filesystem::remove(entry.path(), ignored);
      }
    }
  }
}

std::string SupervisorRun::address(std::size_t listener) {
  return wait("started").fields.at("listeners").at(listener).at("address").get<std::string>();
}

SupervisorRun& SupervisorRun::wait_ready() {
  wait("serving");
  return *this;
}

Event SupervisorRun::wait(const std::string& event, std::size_t from, Millis cap) {
  return wait_for(
      event, [&](const Event& e) { return e.name() == event; }, from, cap);
}

Event SupervisorRun::wait_for(const std::string& what, const EventPredicate& wanted,
                              std::size_t from, Millis cap) {
  if (auto found = events_->wait(wanted, from, cap)) return *std::move(found);
  throw std::runtime_error("no " + what + " from event " + std::to_string(from) +
                           "; stderr ends with\n" + events_->dump());
}

Event SupervisorRun::reload() {
  const std::size_t from = mark();
  signal(SIGHUP);
  return wait_for(
      "end of the reload",
      [](const Event& e) { return e.name() == "reload_done" || e.name() == "reload_failed"; }, from,
      kCap * 3);
}

std::vector<Event> SupervisorRun::all(const std::string& event) const {
  return events_->all([&](const Event& e) { return e.name() == event; });
}

std::size_t SupervisorRun::count(const std::string& event) const { return all(event).size(); }

std::vector<WorkerInfo> SupervisorRun::started_workers(int generation) const {
  std::vector<WorkerInfo> found;
  for (const Event& e : all("worker_started")) {
    if (generation != 0 && e.number("generation") != generation) continue;
    found.push_back({static_cast<int>(e.number("generation")), static_cast<int>(e.number("worker")),
                     static_cast<pid_t>(e.number("pid"))});
  }
  return found;
}

pid_t SupervisorRun::worker_pid(int generation) {
  return static_cast<pid_t>(
      wait_for("worker of generation " + std::to_string(generation), [&](const Event& e) {
        return e.name() == "worker_started" && e.number("generation") == generation;
      }).number("pid"));
}

void SupervisorRun::wait_workers(std::size_t living) {
  std::size_t from = 0;
  for (std::size_t gone = 0; gone + living < started_workers().size(); ++gone) {
    from = wait("worker_exited", from, kCap * 3).index + 1;
  }
}

ExitStatus SupervisorRun::stop() {
  signal(SIGTERM);
  return wait_exit(kCap * 3);
}

ExitStatus SupervisorRun::wait_exit(Millis cap) {
  const auto status = process_->wait_exit(cap);
  if (!status) throw std::runtime_error("the supervisor did not end; stderr:\n" + events_->dump());
  // Its last lines may still be on their way to us. A killed one leaves workers that hold the pipe.
  if (status->signal == 0) events_->wait_end(Millis(5'000));
  return *status;
}

std::string SupervisorRun::leftovers() {
  std::ostringstream left;
  if (!process_->wait_exit(Millis(0))) return "the supervisor itself\n";
  if (!events_->wait_end()) left << "somebody still holds the supervisor's stderr\n";
  std::multiset<int> exited;  // by number: the kernel uses pids again
  for (const Event& e : all("worker_exited")) exited.insert(static_cast<int>(e.number("worker")));
  for (const WorkerInfo& worker : started_workers()) {
    if (exited.count(worker.worker) != 1) {
      left << exited.count(worker.worker) << " worker_exited for worker " << worker.worker << "\n";
    }
  }
  if (const int strays = end_strays(); strays != 0) left << strays << " living processes\n";
  return left.str();
}

void Releases::add(const std::string& name, const std::string& script) {
  files_.write(name + "/worker", "#!/bin/sh\nDEMO='" + demo_path() + "'\n" + script + "\n", true);
}

}  // namespace holdfast::testing
