#include <nlohmann/json.hpp>

#include "supervisor/core/status.hpp"

namespace holdfast::supervisor {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson listener_json(const ListenerInfo& listener) {
  return {{"name", listener.name}, {"address", listener.address}, {"inherited", listener.kept}};
}

OrderedJson traffic_json(const ListenerStats& stats) {
  return {{"name", stats.name},
          {"accepted", stats.accepted},
          {"responses", stats.responses},
          {"bytes_received", stats.bytes_received},
          {"bytes_sent", stats.bytes_sent},
          {"latency_us", stats.latency_us},
          {"latency", stats.latency}};
}

void add_traffic(OrderedJson& json, const Traffic& traffic) {
  json["requests"] = traffic.requests;
  json["responses_5xx"] = traffic.responses_5xx;
  json["tls_failures"] = traffic.tls_failures;
  json["proxy_failures"] = traffic.proxy_failures;
  json["listeners"] = OrderedJson::array();
  for (const ListenerStats& listener : traffic.listeners)
    json["listeners"].push_back(traffic_json(listener));
}

OrderedJson worker_json(const WorkerStatus& worker) {
  OrderedJson json{
      {"worker", worker.worker.value},
      {"generation", worker.generation.value},
      {"pid", worker.pid},
      {"phase", worker.phase},
      {"uptime_ms", worker.uptime_ms},
      {"connections", worker.connections},
      {"idle", worker.idle},
      {"in_flight", worker.in_flight},
      {"requests", worker.requests},
      {"responses_5xx", worker.responses_5xx},
      // One digit behind the point: more would be noise of the second it was measured in.
      {"requests_per_second",
       static_cast<double>(static_cast<std::uint64_t>(worker.requests_per_second * 10)) / 10},
      {"rss_bytes", worker.rss_bytes}};
  if (worker.kill_in_ms) json["kill_in_ms"] = *worker.kill_in_ms;
  return json;
}

OrderedJson draining_json(const DrainingStatus& draining) {
  OrderedJson json{{"generation", draining.generation.value},
                   {"workers", draining.workers},
                   {"connections", draining.connections},
                   {"in_flight", draining.in_flight},
                   {"draining_ms", draining.draining_ms}};
  if (draining.kill_in_ms) json["kill_in_ms"] = *draining.kill_in_ms;
  return json;
}

OrderedJson candidate_json(const CandidateStatus& candidate) {
  return {{"generation", candidate.generation.value},
          {"phase", candidate.phase},
          {"ready", candidate.ready},
          {"workers", candidate.workers},
          {"deadline_in_ms", candidate.deadline_in_ms}};
}

OrderedJson last_reload_json(const LastReload& reload) {
  OrderedJson json{{"generation", reload.generation.value},
                   {"verdict", reload.done ? "committed" : "failed"}};
  if (!reload.done) json["reason"] = reload.reason;
  std::string at;
  append_timestamp(at, reload.at);
  json["at"] = at;
  if (reload.ready_ms) json["ready_ms"] = *reload.ready_ms;
  return json;
}

OrderedJson counters_json(const Status& status) {
  const RecordCounts& counts = status.record.counts;
  OrderedJson json{{"reloads_done", counts.reloads_done},
                   {"reloads_failed", counts.reloads_failed},
                   {"rolled_back", counts.rolled_back},
                   {"crashes", counts.crashes},
                   {"kills", counts.kills},
                   {"respawns", counts.respawns}};
  add_traffic(json, status.totals);
  return json;
}

}  // namespace

std::string to_json(const Status& status) {
  OrderedJson json{{"pid", status.pid}, {"name", status.name}, {"version", status.version}};
  if (!status.label.empty()) json["label"] = status.label;
  json["state"] = std::string(to_string(status.state));
  json["health"] = status.degraded.empty() ? "ok" : "degraded";
  if (!status.degraded.empty()) json["reason"] = status.degraded;
  json["uptime_ms"] = status.uptime_ms;
  if (status.serving) json["serving"] = status.serving->value;
  json["wanted_workers"] = status.wanted_workers;
  json["accepting_workers"] = status.accepting_workers;
  if (status.candidate) json["candidate"] = candidate_json(*status.candidate);
  json["reload_queued"] = status.reload_queued;
  json["reload_waiting"] = status.reload_waiting;
  json["draining"] = OrderedJson::array();
  for (const DrainingStatus& draining : status.draining)
    json["draining"].push_back(draining_json(draining));
  json["workers"] = OrderedJson::array();
  for (const WorkerStatus& worker : status.workers) json["workers"].push_back(worker_json(worker));
  json["listeners"] = OrderedJson::array();
  for (const ListenerInfo& listener : status.listeners)
    json["listeners"].push_back(listener_json(listener));
  if (status.record.last_reload) json["last_reload"] = last_reload_json(*status.record.last_reload);
  if (!status.record.last_failure.empty()) {
    OrderedJson failure = OrderedJson::parse(status.record.last_failure, nullptr, false);
    if (!failure.is_discarded()) json["last_failure"] = std::move(failure);
  }
  json["counters"] = counters_json(status);
  json["generations"] = OrderedJson::array();
  for (const GenerationTraffic& generation : status.generations) {
    OrderedJson entry;
    entry["generation"] = generation.generation.value;
    add_traffic(entry, generation.traffic);
    json["generations"].push_back(std::move(entry));
  }
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace holdfast::supervisor
