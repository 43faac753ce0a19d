#include "tests/soak/clients.hpp"

#include <limits>
#include <stdexcept>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

constexpr int kWebSockets = 2;  // of each kind; they never rest

GroupOptions group(std::string name, Mode mode, int connections, const std::string& path) {
  GroupOptions options;
  options.name = std::move(name);
  options.mode = mode;
  options.connections = connections;
  options.path = path;
  options.verify = Verify::None;
  options.ids = true;
  return options;
}

// Below the pace of the tests: a soak is to be long, not to find out how much a machine can do.
LoadOptions named(LoadOptions load, const std::string& round, const std::string& door) {
  for (GroupOptions& g : load.groups) {
    g.name = round + "." + door + "." + g.name;
    if (g.think.high < 20ms) g.think = {0ms, 20ms};
  }
  load.keep_answers = true;
  load.max_examples = std::numeric_limits<std::size_t>::max();
  return load;
}

LoadOptions plain_load(const Doors& doors, const std::string& round) {
  LoadOptions load = mixed_load(doors.plain);
  load.groups.push_back(group("idle", Mode::Idle, 50, "/"));
  load.groups.push_back(group("stream", Mode::KeepAlive, 4, "/stream?chunks=20&interval=20ms"));
  load.groups.push_back(group("events", Mode::KeepAlive, 2, "/events?interval=50ms"));
  return named(std::move(load), round, "http");
}

LoadOptions tls_load(const Doors& doors, const std::string& round) {
  LoadOptions load = brisk_load(doors.tls);
  load.tls = true;
  load.groups.push_back(group("idle", Mode::Idle, 10, "/"));
  load.groups.push_back(group("stream", Mode::KeepAlive, 2, "/stream?chunks=20&interval=20ms"));
  return named(std::move(load), round, "https");
}

int port_of(const std::string& address) {
  return std::stoi(address.substr(address.rfind(':') + 1));
}

bool is_end(Failure failure) {
  switch (failure) {
    case Failure::ConnectReset:
    case Failure::ReusedReset:
    case Failure::ReusedEof:
    case Failure::FreshReset:
    case Failure::FreshEof:
    case Failure::Truncated:
      return true;
    default:
      return false;
  }
}

void add(Sightings& seen, const LoadResult& result, bool keeps_connections) {
  for (const Answer& a : result.answers) {
    seen.served.push_back(
        {.id = std::string(a.group) + "-" + std::to_string(a.serial),
         .worker = a.worker,
         .at = std::chrono::time_point_cast<TimePoint::duration>(result.started + a.at)});
  }
  const int port = port_of(result.target);
  for (const FailureExample& f : result.examples) {
    const std::string number = f.sent > 0 ? std::to_string(f.serial) : "unsent";
    seen.lost.push_back(
        {.id = f.group + "-" + number,
         .ports = {port, f.local_port},
         .what = std::string(name_of(f.failure)) + ", errno " + std::to_string(f.error) +
                 ", status " + std::to_string(f.status) + ", after " + std::to_string(f.served) +
                 " responses, " + std::to_string(f.sent) + " bytes sent",
         .by_close = is_end(f.failure),
         .at = std::chrono::time_point_cast<TimePoint::duration>(result.started + f.at)});
  }
  for (const auto& [name, g] : result.groups) {
    seen.begun += g.begun;
    seen.idle_resets += g.idle_reset;
    if (keeps_connections) {
      seen.plain_closes += g.idle_closed + g.idle_reset + g.connection_close;
    }
    if (g.aborted > 0) seen.complaints.push_back(name + " gave up requests");
  }
}

void require(bool fact, const std::string& what) {
  if (!fact) throw std::runtime_error("the clients wait in vain for " + what);
}

}  // namespace

Clients::Clients(const Doors& doors, const std::string& round)
    : plain_(plain_load(doors, round)),
      tls_(tls_load(doors, round)),
      pipelines_(doors.plain, round + ".pipe"),
      sockets_(std::make_unique<WebSocketLoad>(doors.plain, kWebSockets)),
      tls_sockets_(std::make_unique<WebSocketLoad>(doors.tls, kWebSockets, true)) {
  plain_.start();
  tls_.start();
  require(plain_.wait_for_requests(500) && tls_.wait_for_requests(200), "their first answers");
}

std::uint64_t Clients::requests_done() const {
  return plain_.requests_done() + tls_.requests_done();
}

void Clients::wake_idle() {
  for (LoadClient* load : {&plain_, &tls_}) {
    const std::uint64_t wakes = load->wakes();
    load->wake();
    require(
        eventually([&] { return load->wakes() > wakes && load->connections_awake() == 0; }, kCap),
        "answers to idle connections");
  }
}

void Clients::stop() {
  plain_.stop();
  tls_.stop();
  pipelines_.stop();
}

Sightings Clients::finish() {
  Sightings seen;
  add(seen, plain_.join(), true);
  add(seen, tls_.join(), false);
  pipelines_.finish(seen);
  for (WebSocketLoad* load : {sockets_.get(), tls_sockets_.get()}) {
    const WebSocketResult result = load->finish();
    seen.sockets_opened += load->opened();
    seen.echoes += result.echoed;
    seen.sent_away += result.going_away;
    for (const std::string& failure : result.failures) seen.socket_failures.push_back(failure);
  }
  return seen;
}

LastClients::LastClients(const Doors& doors, const std::string& round)
    : plain_([&] {
        LoadOptions load = named(brisk_load(doors.plain), round, "http");
        load.expect_stop = true;
        return load;
      }()) {
  plain_.start();
  require(plain_.wait_for_requests(200), "their first answers");
}

Sightings LastClients::finish() {
  Sightings seen;
  add(seen, plain_.join(), false);
  return seen;
}

}  // namespace holdfast::testing
