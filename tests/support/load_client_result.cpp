// The result of a run as a value, as JSON and as one line.
#include <nlohmann/json.hpp>

#include "tests/support/load_client.hpp"

namespace holdfast::testing {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, kFailures> kNames{
    "refused",      "connect_timeout", "connect_reset", "reused_reset",
    "reused_eof",   "fresh_reset",     "fresh_eof",     "truncated",
    "wrong_status", "wrong_body",      "timeout",       "protocol_error"};

double micros(Nanos value) { return static_cast<double>(value.count() / 10) / 100.0; }
double seconds(Nanos value) { return static_cast<double>(value.count() / 1000) / 1e6; }

Json percentiles(const Histogram& histogram) {
  return {{"count", histogram.count()},
          {"p50_us", micros(histogram.percentile(0.50))},
          {"p90_us", micros(histogram.percentile(0.90))},
          {"p99_us", micros(histogram.percentile(0.99))},
          {"p999_us", micros(histogram.percentile(0.999))},
          {"max_us", micros(histogram.max())}};
}

Json failures(const GroupResult& group) {
  Json counts = Json::object();
  for (std::size_t i = 0; i < kFailures; ++i) {
    if (group.failures[i] > 0) counts[std::string(kNames[i])] = group.failures[i];
  }
  return counts;
}

Json group_json(const GroupResult& group) {
  Json statuses = Json::object();
  for (const auto& [status, count] : group.statuses) statuses[std::to_string(status)] = count;
  return {
      {"requests", group.ok + group.failed()},
      {"begun", group.begun},
      {"answered", group.answered},
      {"ok", group.ok},
      {"failures", failures(group)},
      {"failed_total", group.failed()},
      {"aborted", group.aborted},
      {"refused_after_stop", group.refused_after_stop},
      {"connects", group.connects},
      {"parked", group.parked},
      {"closes",
       {{"idle_closed", group.idle_closed},
        {"idle_reset", group.idle_reset},
        {"connection_close", group.connection_close}}},
      {"statuses", statuses},
      {"generations", group.generations},
      {"latency", {{"steady", percentiles(group.steady)}, {"window", percentiles(group.window)}}}};
}

Json timeline_json(const std::vector<TimelineBucket>& timeline) {
  Json done = Json::array();
  Json failed = Json::array();
  Json max = Json::array();
  for (const TimelineBucket& bucket : timeline) {
    done.push_back(bucket.done);
    failed.push_back(bucket.failed);
    max.push_back(bucket.max_us);
  }
  return {{"bucket_ms", 10}, {"done", done}, {"failed", failed}, {"max_us", max}};
}

Json example_json(const FailureExample& example) {
  return {{"at_s", seconds(example.at)},
          {"group", example.group},
          {"class", name_of(example.failure)},
          {"errno", example.error},
          {"status", example.status},
          {"served", example.served},
          {"sent", example.sent},
          {"serial", example.serial},
          {"local_port", example.local_port}};
}

}  // namespace

std::string_view name_of(Failure failure) { return kNames[static_cast<std::size_t>(failure)]; }

std::uint64_t GroupResult::failed() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : failures) sum += count;
  return sum;
}

void GroupResult::merge(const GroupResult& other) {
  begun += other.begun;
  answered += other.answered;
  ok += other.ok;
  aborted += other.aborted;
  for (std::size_t i = 0; i < kFailures; ++i) failures[i] += other.failures[i];
  refused_after_stop += other.refused_after_stop;
  connects += other.connects;
  idle_closed += other.idle_closed;
  idle_reset += other.idle_reset;
  connection_close += other.connection_close;
  parked += other.parked;
  for (const auto& [status, count] : other.statuses) statuses[status] += count;
  for (const auto& [generation, count] : other.generations) generations[generation] += count;
  steady.merge(other.steady);
  window.merge(other.window);
}

GroupResult LoadResult::total() const {
  GroupResult sum;
  for (const auto& [name, group] : groups) sum.merge(group);
  return sum;
}

std::string LoadResult::summary() const {
  const GroupResult sum = total();
  std::string text = std::to_string(sum.ok) + " ok, " + std::to_string(sum.failed()) + " failed " +
                     failures(sum).dump();
  for (const FailureExample& example : examples) text += "\n  " + example_json(example).dump();
  return text;
}

nlohmann::ordered_json to_json(const LoadResult& result) {
  Json json{{"target", result.target},
            {"started_ns", result.started.time_since_epoch().count()},
            {"duration_s", seconds(result.duration)}};
  json.update(group_json(result.total()));
  Json groups = Json::object();
  for (const auto& [name, group] : result.groups) groups[name] = group_json(group);
  json["groups"] = std::move(groups);
  json["generations"] = result.generations;
  json["workers"] = result.workers;
  if (result.first_refused >= Nanos::zero())
    json["first_refused_s"] = seconds(result.first_refused);
  json["marks_s"] = Json::array();
  for (const Nanos mark : result.marks) json["marks_s"].push_back(seconds(mark));
  json["examples"] = Json::array();
  for (const FailureExample& example : result.examples) {
    json["examples"].push_back(example_json(example));
  }
  json["timeline"] = timeline_json(result.timeline);
  return json;
}

}  // namespace holdfast::testing
