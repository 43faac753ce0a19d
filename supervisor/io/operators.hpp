// What operators ask for, done: each request becomes an event of the fleet, or is answered from
// what is kept here of the past. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "shared/core/json_line.hpp"
#include "supervisor/core/event_ring.hpp"
#include "supervisor/core/fleet.hpp"
#include "supervisor/core/fleet_counters.hpp"
#include "supervisor/core/fleet_record.hpp"
#include "supervisor/core/operator_message.hpp"
#include "supervisor/core/status.hpp"
#include "supervisor/io/control_server.hpp"

namespace holdfast::supervisor {

class Operators {
 public:
  // The supervisor, as far as operators may use it.
  struct Host {
    std::function<void(const FleetEvent&)> feed;
    std::function<const Fleet&()> fleet;
    std::function<void(const Report&)> report;
    std::function<Result<void>()> reopen_logs;
    std::function<StatusFacts()> facts;
  };

  Operators(boost::asio::io_context& io, Host host);

  ControlServer& server() { return server_; }

  // What happens, for those who ask or wait.
  void heard(WorkerId worker, GenerationId generation, const Stats& stats);
  void released(WorkerId worker);
  void reported(const Report& report, const std::string& line, WallTime at);
  void printed(std::string_view line);
  void settled(const SettleReload& settled);

  const FleetCounters& counters() const { return counters_; }

 private:
  void asked(ControlClient& client, std::string_view line);
  void perform(ControlClient& client, const OperatorRequest& request);
  void log(const ControlClient& client, const OperatorRequest& request);
  void reload(ControlClient& client, const ReloadOrder& order);
  void stop(ControlClient& client, const StopOrder& order);
  void scale(ControlClient& client, const ScaleOrder& order);

  struct Waiter {
    std::weak_ptr<ControlClient> client;
    ReloadWait until = ReloadWait::Committed;
  };

  Host host_;
  FleetCounters counters_;
  FleetRecord record_;
  EventRing ring_;
  std::map<std::uint64_t, Waiter> waiters_;
  std::uint64_t next_request_ = 1;  // 0 is nobody's
  ControlServer server_;
};

}  // namespace holdfast::supervisor
