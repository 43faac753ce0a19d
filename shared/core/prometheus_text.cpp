#include "shared/core/prometheus_text.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/exposition.hpp"
#include "shared/core/json_fields.hpp"

namespace holdfast {
namespace {

using StatusJson = nlohmann::json;

std::string generation_of(const StatusJson& object) {
  return std::to_string(json_count(object, "generation"));
}

// Of the service
// ---------------------------------------------------------------------------------------------

void put_state(Exposition& out, const StatusJson& status) {
  out.gauge("holdfast_info", "Who supervises this service; always 1.");
  out.sample({{"name", json_text(status, "name")},
              {"version", json_text(status, "version")},
              {"label", json_text(status, "label")}},
             1);
  out.gauge("holdfast_uptime_seconds", "Time since the supervisor began.");
  out.seconds({}, json_count(status, "uptime_ms") * 1'000);
  out.gauge("holdfast_state", "1 for the state that the service is in.");
  const std::string state = json_text(status, "state");
  for (const std::string_view each : {"starting", "serving", "reloading", "lame_duck", "stopping"})
    out.sample({{"state", each}}, each == state ? 1 : 0);
  out.gauge("holdfast_degraded", "1 while fewer workers accept than are wanted, or none should.");
  out.sample(json_text(status, "health") == "degraded" ? 1 : 0);
  out.gauge("holdfast_serving_generation", "The generation that serves; 0 before the first.");
  out.sample(json_count(status, "serving"));
  out.gauge("holdfast_draining_generations", "Old generations that still have workers.");
  out.sample(json_member(status, "draining").size());
  out.gauge("holdfast_workers_wanted", "Workers that the service should have.");
  out.sample(json_count(status, "wanted_workers"));
  out.gauge("holdfast_workers_accepting", "Workers that accept connections.");
  out.sample(json_count(status, "accepting_workers"));
}

void put_reloads(Exposition& out, const StatusJson& status) {
  const StatusJson& counters = json_member(status, "counters");
  const std::uint64_t rolled_back = json_count(counters, "rolled_back");
  const std::uint64_t failed = json_count(counters, "reloads_failed");
  out.counter("holdfast_reloads_total", "Reloads that are over, by their verdict.");
  out.sample({{"verdict", "committed"}}, json_count(counters, "reloads_done"));
  out.sample({{"verdict", "failed"}}, failed - std::min(failed, rolled_back));
  out.sample({{"verdict", "rolled_back"}}, rolled_back);
  out.gauge("holdfast_reload_pending", "1 while a reload waits for another to be over.");
  out.sample(json_flag(status, "reload_queued") ? 1 : 0);
  if (const StatusJson& last = json_member(status, "last_reload"); last.is_object()) {
    out.gauge("holdfast_last_reload_committed", "1 when the last reload was a good one.");
    out.sample(json_text(last, "verdict") == "committed" ? 1 : 0);
  }
  out.counter("holdfast_worker_crashes_total", "Workers that ended unasked.");
  out.sample(json_count(counters, "crashes"));
  out.counter("holdfast_worker_kills_total", "Workers that got SIGKILL.");
  out.sample(json_count(counters, "kills"));
  out.counter("holdfast_worker_respawns_total", "Workers that took the place of another.");
  out.sample(json_count(counters, "respawns"));
}

// Of workers, added up by generation: a series for each worker would be a new one at each reload.
// ---------------------------------------------------------------------------------------------

void put_workers(Exposition& out, const StatusJson& status) {
  struct Sum {
    std::uint64_t connections = 0;
    std::uint64_t idle = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t rss = 0;
  };
  std::map<std::uint64_t, Sum> sums;
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> phases;
  for (const StatusJson& worker : json_member(status, "workers")) {
    const std::uint64_t generation = json_count(worker, "generation");
    Sum& sum = sums[generation];
    sum.connections += json_count(worker, "connections");
    sum.idle += json_count(worker, "idle");
    sum.in_flight += json_count(worker, "in_flight");
    sum.rss += json_count(worker, "rss_bytes");
    ++phases[{generation, json_text(worker, "phase")}];
  }
  out.gauge("holdfast_workers", "Worker processes, by generation and phase.");
  for (const auto& [of, count] : phases)
    out.sample({{"generation", std::to_string(of.first)}, {"phase", of.second}}, count);
  const auto put = [&](const char* name, const char* help, std::uint64_t Sum::*value) {
    out.gauge(name, help);
    for (const auto& [generation, sum] : sums)
      out.sample({{"generation", std::to_string(generation)}}, sum.*value);
  };
  put("holdfast_connections", "Open connections.", &Sum::connections);
  put("holdfast_idle_connections", "Connections without a request.", &Sum::idle);
  put("holdfast_requests_in_flight", "Requests that have begun and are not over.", &Sum::in_flight);
  put("holdfast_worker_resident_memory_bytes", "Resident memory of workers.", &Sum::rss);
}

void put_generations(Exposition& out, const StatusJson& status) {
  const StatusJson& generations = json_member(status, "generations");
  out.counter("holdfast_generation_requests_total", "Requests, by the generation they met.");
  for (const StatusJson& each : generations)
    out.sample({{"generation", generation_of(each)}}, json_count(each, "requests"));
  out.counter("holdfast_generation_server_errors_total", "Responses 5xx, by generation.");
  for (const StatusJson& each : generations)
    out.sample({{"generation", generation_of(each)}}, json_count(each, "responses_5xx"));
}

// Of listeners, over all generations
// ---------------------------------------------------------------------------------------------

void put_histogram(Exposition& out, const std::string& name, const StatusJson& listener) {
  const auto latency = json_counts(listener, "latency", kLatencyBounds.size() + 1);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < latency.size(); ++i) {
    below += latency[i];
    const std::string bound =
        i < kLatencyBounds.size() ? seconds_text(kLatencyBounds[i]) : std::string("+Inf");
    out.part("_bucket", {{"listener", name}, {"le", bound}}, below);
  }
  out.part_seconds("_sum", {{"listener", name}}, json_count(listener, "latency_us"));
  out.part("_count", {{"listener", name}}, below);
}

void put_listeners(Exposition& out, const StatusJson& status) {
  // Those without traffic are there with zeros: a rate needs a value from before the first request.
  std::map<std::string, StatusJson> listeners;
  for (const StatusJson& each : json_member(status, "listeners"))
    listeners[json_text(each, "name")];
  for (const StatusJson& each : json_member(json_member(status, "counters"), "listeners"))
    listeners[json_text(each, "name")] = each;

  out.counter("holdfast_http_requests_total", "Requests, by the class of their response.");
  for (const auto& [name, counts] : listeners) {
    const auto responses = json_counts(counts, "responses", 5);
    for (std::size_t i = 0; i < responses.size(); ++i)
      out.sample({{"listener", name}, {"code", std::to_string(i + 1) + "xx"}}, responses[i]);
  }
  const auto put = [&](const char* name, const char* help, const char* key) {
    out.counter(name, help);
    for (const auto& [listener, counts] : listeners)
      out.sample({{"listener", listener}}, json_count(counts, key));
  };
  put("holdfast_connections_accepted_total", "Connections that were accepted.", "accepted");
  put("holdfast_http_received_bytes_total", "Bytes of requests on the wire.", "bytes_received");
  put("holdfast_http_sent_bytes_total", "Bytes of responses on the wire.", "bytes_sent");
  out.histogram("holdfast_http_request_duration_seconds",
                "First byte of a request to the last of its response.");
  for (const auto& [name, counts] : listeners) put_histogram(out, name, counts);
}

void put_totals(Exposition& out, const StatusJson& status) {
  const StatusJson& counters = json_member(status, "counters");
  const auto put = [&](const char* name, const char* help, const char* key) {
    out.counter(name, help);
    out.sample(json_count(counters, key));
  };
  put("holdfast_requests_total", "Requests, as all workers count them.", "requests");
  put("holdfast_server_errors_total", "Responses 5xx, as all workers count them.", "responses_5xx");
  put("holdfast_tls_handshake_failures_total", "TLS handshakes that failed.", "tls_failures");
  put("holdfast_proxy_header_failures_total", "PROXY headers that were refused.", "proxy_failures");
}

}  // namespace

Result<std::string> prometheus_text(std::string_view status_json) {
  const StatusJson status = StatusJson::parse(status_json, nullptr, /*allow_exceptions=*/false);
  if (!status.is_object()) return plain_error("render metrics", "the status is no JSON object");
  Exposition out;
  put_state(out, status);
  put_reloads(out, status);
  put_workers(out, status);
  put_generations(out, status);
  put_totals(out, status);
  put_listeners(out, status);
  return {boost::system::in_place_value, out.take()};
}

}  // namespace holdfast
