#include "supervisor/core/fleet_counters.hpp"

#include <algorithm>

namespace holdfast::supervisor {
namespace {

constexpr Millis kRateOver{900};  // a little less than the second between two reports

ListenerStats* find_listener(std::vector<ListenerStats>& listeners, const std::string& name) {
  const auto at = std::ranges::lower_bound(listeners, name, {}, &ListenerStats::name);
  if (at != listeners.end() && at->name == name) return &*at;
  if (listeners.size() >= kMaxCountedListeners) return nullptr;
  ListenerStats fresh;
  fresh.name = name;
  return &*listeners.insert(at, std::move(fresh));
}

template <typename Merge>
void merge_listener(ListenerStats& into, const ListenerStats& from, Merge merge) {
  merge(into.accepted, from.accepted);
  for (std::size_t i = 0; i < into.responses.size(); ++i)
    merge(into.responses[i], from.responses[i]);
  merge(into.bytes_received, from.bytes_received);
  merge(into.bytes_sent, from.bytes_sent);
  merge(into.latency_us, from.latency_us);
  for (std::size_t i = 0; i < into.latency.size(); ++i) merge(into.latency[i], from.latency[i]);
}

// From is Traffic or Stats: both have these names.
template <typename From, typename Merge>
void merge_traffic(Traffic& into, const From& from, Merge merge) {
  merge(into.requests, from.requests);
  merge(into.responses_5xx, from.responses_5xx);
  merge(into.tls_failures, from.tls_failures);
  merge(into.proxy_failures, from.proxy_failures);
  for (const ListenerStats& listener : from.listeners) {
    if (ListenerStats* mine = find_listener(into.listeners, listener.name))
      merge_listener(*mine, listener, merge);
  }
}

void sum(std::uint64_t& into, std::uint64_t from) { into += from; }
void grow(std::uint64_t& into, std::uint64_t from) { into = std::max(into, from); }

}  // namespace

Traffic& Traffic::operator+=(const Traffic& other) {
  merge_traffic(*this, other, sum);
  return *this;
}

void FleetCounters::add(WorkerId worker, GenerationId generation, const Stats& stats,
                        TimePoint now) {
  const auto [at, fresh] = lives_.try_emplace(worker);
  Life& life = at->second;
  if (fresh) {
    life.generation = generation;
    life.since = now;
    life.requests_then = stats.requests;
  }
  merge_traffic(life.traffic, stats, grow);
  life.stats = stats;
  life.heard_at = now;
  if (now - life.since < kRateOver) return;
  const std::uint64_t done = life.traffic.requests - std::min(life.requests_then, stats.requests);
  life.rate = static_cast<double>(done) / std::chrono::duration<double>(now - life.since).count();
  life.since = now;
  life.requests_then = life.traffic.requests;
}

void FleetCounters::gone(WorkerId worker) {
  const auto found = lives_.find(worker);
  if (found == lives_.end()) return;
  ended_[found->second.generation] += found->second.traffic;
  lives_.erase(found);
}

void FleetCounters::retire_all_but(const std::vector<GenerationId>& used) {
  std::erase_if(ended_, [&](const auto& generation) {
    if (std::ranges::find(used, generation.first) != used.end()) return false;
    retired_ += generation.second;
    return true;
  });
}

const Stats* FleetCounters::last(WorkerId worker) const {
  const auto found = lives_.find(worker);
  return found == lives_.end() ? nullptr : &found->second.stats;
}

double FleetCounters::requests_per_second(WorkerId worker, TimePoint now) const {
  const auto found = lives_.find(worker);
  if (found == lives_.end() || now - found->second.heard_at > kRateHolds) return 0;
  return found->second.rate;
}

Traffic FleetCounters::totals() const {
  Traffic all = retired_;
  for (const auto& [generation, traffic] : ended_) all += traffic;
  for (const auto& [worker, life] : lives_) all += life.traffic;
  return all;
}

std::vector<GenerationTraffic> FleetCounters::generations() const {
  std::map<GenerationId, Traffic> sums = ended_;
  for (const auto& [worker, life] : lives_) sums[life.generation] += life.traffic;
  std::vector<GenerationTraffic> all;
  all.reserve(sums.size());
  for (auto& [generation, traffic] : sums) all.push_back({generation, std::move(traffic)});
  return all;
}

}  // namespace holdfast::supervisor
