#include "supervisor/io/operators.hpp"

#include "shared/core/overloaded.hpp"
#include "supervisor/core/reload_verdict.hpp"

namespace holdfast::supervisor {

Operators::Operators(boost::asio::io_context& io, Host host)
    : host_(std::move(host)),
      server_(io, {[this](ControlClient& client, std::string_view line) { asked(client, line); },
                   [this](const Report& report) { host_.report(report); }}) {}

void Operators::heard(WorkerId worker, GenerationId generation, const Stats& stats) {
  counters_.add(worker, generation, stats, Clock::now());
}

void Operators::released(WorkerId worker) {
  counters_.gone(worker);
  const Fleet& fleet = host_.fleet();
  std::vector<GenerationId> used;
  if (fleet.serving) used.push_back(*fleet.serving);
  if (fleet.candidate) used.push_back(fleet.candidate->id);
  for (const Worker& each : fleet.workers) used.push_back(each.generation);
  counters_.retire_all_but(used);
}

void Operators::reported(const Report& report, const std::string& line, WallTime at) {
  record_.note(report, line, at);
  ring_.add(line);
  server_.broadcast(line, false);
}

void Operators::printed(std::string_view line) { server_.broadcast(line, true); }

void Operators::settled(const SettleReload& settled) {
  const auto found = waiters_.find(settled.request);
  if (found == waiters_.end()) return;
  const Waiter waiter = found->second;
  const bool more =
      settled.outcome == ReloadOutcome::Committed && waiter.until == ReloadWait::Drained;
  if (!more) waiters_.erase(found);
  const auto client = waiter.client.lock();
  if (!client) return;
  const std::string line = verdict_reply(settled, record_);
  if (more) {
    client->send(line);
  } else {
    client->answer_awaited(line);
  }
}

void Operators::asked(ControlClient& client, std::string_view line) {
  const auto request = decode_request(line);
  if (!request) return client.send(error_reply(request.error().message, ExitCode::Usage));
  const std::string verb(op_name(*request));
  if (client.awaits()) {
    return client.send(error_reply("cannot " + verb + ": this connection awaits something already",
                                   ExitCode::Usage));
  }
  if (client.access() == ControlAccess::ReadOnly && !only_reads(*request)) {
    return client.send(error_reply("cannot " + verb + ": this connection may only read",
                                   ExitCode::PermissionDenied));
  }
  if (!only_reads(*request)) log(client, *request);
  perform(client, *request);
}

void Operators::log(const ControlClient& client, const OperatorRequest& request) {
  Report said = report("operator_request").with("op", std::string(op_name(request)));
  if (client.peer().pid != 0) said.with("pid", static_cast<std::uint64_t>(client.peer().pid));
  host_.report(said.with("uid", std::uint64_t{client.peer().uid}));
}

void Operators::perform(ControlClient& client, const OperatorRequest& request) {
  std::visit(
      overloaded{[&](const StatusRequest&) {
                   client.send(status_reply(to_json(make_status(host_.fleet(), counters_, record_,
                                                                host_.facts(), Clock::now()))));
                 },
                 [&](const ReloadOrder& order) { reload(client, order); },
                 [&](const StopOrder& order) { stop(client, order); },
                 [&](const ScaleOrder& order) { scale(client, order); },
                 [&](const ReopenLogsOrder&) {
                   const auto reopened = host_.reopen_logs();
                   client.send(reopened ? ok_reply()
                                        : error_reply(reopened.error().message, ExitCode::Failure));
                 },
                 [&](const EventsRequest& events) {
                   // The end of the past is marked, so that who follows can tell it from what
                   // comes.
                   client.send(ring_.all() + ok_reply());
                   if (events.follow) client.follow(events.output);
                 }},
      request);
}

void Operators::reload(ControlClient& client, const ReloadOrder& order) {
  if (order.wait == ReloadWait::No && host_.fleet().stop) {
    return client.send(error_reply("cannot reload: the supervisor stops", ExitCode::ReloadFailed));
  }
  client.send(accepted_reply());
  if (order.wait == ReloadWait::No) return host_.feed(ReloadRequested{});
  const std::uint64_t request = next_request_++;
  waiters_[request] = {client.weak_from_this(), order.wait};
  client.await();
  host_.feed(ReloadRequested{request});
}

// To stop twice is no wish to stop at once; only `now` is.
void Operators::stop(ControlClient& client, const StopOrder& order) {
  client.send(ok_reply());
  const auto requested = [&] { return host_.fleet().stop && host_.fleet().stop->requested; };
  if (!requested()) host_.feed(StopRequested{});
  if (order.now && requested()) host_.feed(StopRequested{});
}

void Operators::scale(ControlClient& client, const ScaleOrder& order) {
  if (host_.fleet().stop) {
    return client.send(error_reply("cannot scale: the supervisor stops", ExitCode::Failure));
  }
  ScaleRequested event{static_cast<int>(order.by)};
  if (order.to) event.to = static_cast<std::size_t>(*order.to);
  host_.feed(event);
  client.send(scaled_reply(host_.fleet().wanted));
}

}  // namespace holdfast::supervisor
