// What a server tells Options::stats, under httpdown's keys.
#include "holdfast/worker/stats.hpp"
#include "worker/io/server_impl.hpp"

namespace holdfast::worker {
namespace {

constexpr Millis kAverageEvery{60'000};

}  // namespace

void Server::Impl::bump(std::string_view key, double value) {
  if (options_.stats != nullptr) options_.stats->bump_sum(key, value);
}

void Server::Impl::bump_times() {
  if (options_.stats == nullptr) return;
  const TimePoint now = clock_.now();
  if (stop_began_) options_.stats->bump_time("stop.time", now - *stop_began_);
  if (kill_began_) options_.stats->bump_time("kill.time", now - *kill_began_);
}

void Server::Impl::start_averages() {
  if (options_.stats != nullptr) average_timer_.start_after(kAverageEvery);
}

void Server::Impl::bump_averages() {
  const StateCounts counts = sessions_.count_states();
  StatsSink& stats = *options_.stats;
  stats.bump_avg("http-state.new", static_cast<double>(counts.fresh));
  stats.bump_avg("http-state.active", static_cast<double>(counts.active));
  stats.bump_avg("http-state.idle", static_cast<double>(counts.idle));
  stats.bump_avg("http-state.total", static_cast<double>(sessions_.connections()));
  start_averages();
}

}  // namespace holdfast::worker
