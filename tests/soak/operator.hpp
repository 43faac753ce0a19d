// What operators, deploy scripts and the kernel do to a supervisor: at random, but the same for the
// same seed. Every order is given only when the one before it was acknowledged, so that none is
// lost in the kernel, where equal signals become one.
#pragma once

#include <array>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/soak/kill.hpp"
#include "tests/support/supervisor_run.hpp"

namespace holdfast::testing {

struct Deeds {
  std::uint64_t hups = 0;
  std::uint64_t bad_deploys = 0;
  std::uint64_t scaled_up = 0;
  std::uint64_t scaled_down = 0;
  std::uint64_t rotations = 0;
  std::vector<Kill> kills;
};

class Operator {
 public:
  Operator(SupervisorRun& run, Releases& releases, int workers, std::uint64_t seed);

  // One deed, and a pause. Without `may_kill` and `may_shrink` no worker dies or is told to leave.
  void act(bool may_kill, bool may_shrink);
  // A reload that must succeed; then no reload is under way or queued.
  void reload();
  // Back to the workers of the beginning, then waits until nobody else is left.
  void restore();
  void rotate();
  // Of the access log, since the last call that forgot them: oldest first, the current one last.
  std::string read_logs() const;
  void forget_logs();

  const Deeds& deeds() const { return deeds_; }
  void forget_deeds() { deeds_ = {}; }

 private:
  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  void pause(int most_ms);
  void hup();
  void burst();
  void settle();
  void bad_deploy();
  void scale(bool up);
  void kill_one();

  SupervisorRun& run_;
  Releases& releases_;
  const int workers_;
  int wanted_;
  std::mt19937_64 random_;
  Deeds deeds_;
  std::size_t settled_ = 0;  // events before this one are of reloads that are over
  int rotated_ = 0;          // number of the newest old log
  int oldest_ = 1;
};

}  // namespace holdfast::testing
