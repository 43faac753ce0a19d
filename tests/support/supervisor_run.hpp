// A real supervisor with real workers, for one test: `holdfast run` under a name of its own, on
// free ports, its stderr read for events, its access log in a folder of its own. The destructor
// kills whatever is left of it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/access_log_reader.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/event_reader.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {

struct SupervisorOptions {
  std::vector<std::string> listen = {"127.0.0.1:0"};
  std::vector<std::string> flags = {};    // beside --name, --listen, --access-log, --workers
  std::vector<std::string> command = {};  // empty: the demo worker
  std::string workers = "1";
  std::map<std::string, std::string> environment = {};
  std::string access_log = {};  // empty: a file of the run's own
  std::string cwd = {};
  int out = -1;
  std::vector<std::string> wrapper = {};  // before the program, e.g. a shell that sets traps
  std::vector<int> pass = {};
};

struct WorkerInfo {
  int generation = 0;
  int worker = 0;
  pid_t pid = 0;
};

class SupervisorRun {
 public:
  explicit SupervisorRun(SupervisorOptions options = {});
  ~SupervisorRun();
  SupervisorRun(const SupervisorRun&) = delete;
  SupervisorRun& operator=(const SupervisorRun&) = delete;

  pid_t pid() const { return process_->pid(); }
  const std::string& name() const { return name_; }
  const std::string& access_log_path() const { return access_log_; }
  const TempDir& files() const { return files_; }
  EventReader& events() { return *events_; }

  // Of the listener with that number, with its real port. Waits for `started`.
  std::string address(std::size_t listener = 0);
  // Waits until the first generation accepts.
  SupervisorRun& wait_ready();

  void signal(int number) { process_->signal(number); }
  std::size_t mark() const { return events_->size(); }
  // These throw std::runtime_error, with the last lines of stderr, when the event does not come.
  Event wait(const std::string& event, std::size_t from = 0, Millis cap = kCap);
  Event wait_for(const std::string& what, const EventPredicate& wanted, std::size_t from = 0,
                 Millis cap = kCap);
  // Sends HUP and waits for the verdict, reload_done or reload_failed.
  Event reload();

  std::size_t count(const std::string& event) const;
  std::vector<Event> all(const std::string& event) const;
  std::vector<WorkerInfo> started_workers(int generation = 0) const;  // 0: of all
  pid_t worker_pid(int generation);  // the first one of it; waits for its start

  // Until so many are left of all that were started.
  void wait_workers(std::size_t living);

  // TERM (unless it was sent) and the exit status; throws when it does not end.
  ExitStatus stop();
  // After it every event is there, unless a signal ended the supervisor.
  ExitStatus wait_exit(Millis cap = kCap);

  // What is left of a run that has ended: living processes, workers whose exit was not reported.
  // "" when all is well.
  std::string leftovers();
  AccessLog log() const { return AccessLog::read(access_log_); }

 private:
  std::string name_;
  TempDir files_;
  std::string access_log_;
  std::unique_ptr<ChildProcess> process_;
  std::unique_ptr<EventReader> events_;
};

// Paths of the programs of this build.
std::string holdfast_path();
std::string demo_path();

// A `current` link to one of several releases, each a folder with an executable `worker`.
class Releases {
 public:
  explicit Releases(const TempDir& files) : files_(files) {}
  // A release whose worker is this shell script. In it $DEMO stands for the demo's path.
  void add(const std::string& name, const std::string& script);
  void add_good(const std::string& name) { add(name, "exec \"$DEMO\" \"$@\""); }
  void flip(const std::string& name) { files_.link("current", files_.file(name)); }
  std::string command() const { return files_.file("current") + "/worker"; }

 private:
  const TempDir& files_;
};

}  // namespace holdfast::testing
