// TERM, INT and USR1 as counts that a dispatch() can take, in a process whose threads are the
// service's: the handler only counts and writes to an eventfd. A signal that the service has a
// handler for is left to it. One at a time in a process.
#pragma once

#include <csignal>
#include <utility>
#include <vector>

namespace holdfast::worker {

class DrainSignals {
 public:
  explicit DrainSignals(int wake_fd);
  ~DrainSignals();  // the earlier dispositions are back
  DrainSignals(const DrainSignals&) = delete;
  DrainSignals& operator=(const DrainSignals&) = delete;

  void handle(int signal);  // SIGTERM, SIGINT or SIGUSR1
  void ignore(int signal);

  struct Taken {
    int stops = 0;
    bool reopen = false;
  };
  Taken take();

 private:
  void replace(int signal, void (*handler)(int));
  std::vector<std::pair<int, struct sigaction>> before_;
};

}  // namespace holdfast::worker
