// The HTTP server over accepted connections: reads requests, calls handlers, sends responses, keeps
// time, drains. It performs what the connection machine decides. One thread, that of the
// io_context.
// Its parts are in files of their own, named above the members that they define.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "holdfast/worker/options.hpp"
#include "shared/core/control_message.hpp"
#include "worker/core/default_headers.hpp"
#include "worker/core/drain_state.hpp"
#include "worker/core/handoff_message.hpp"
#include "worker/io/connection_list.hpp"
#include "worker/io/deadlines.hpp"
#include "worker/io/exchange_pool.hpp"
#include "worker/io/handoff_ends.hpp"
#include "worker/io/poller.hpp"
#include "worker/io/request_log.hpp"
#include "worker/io/session_hooks.hpp"
#include "worker/io/tls_context.hpp"

namespace holdfast::worker {

class Sessions : public HandoffSource {
 public:
  // `on_gone` runs, not from inside a call, each time the last connection has closed and no handler
  // is left running. All references must outlive this.
  Sessions(boost::asio::io_context& io, LoopClock& clock, const Options& options,
           const Selector& selector, AccessLog& log, std::function<void()> on_gone);
  ~Sessions() override;
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  Poller& poller() { return poller_; }
  RequestLog& requests() { return requests_; }

  void set_default_header(std::string name, std::string value);
  const DefaultHeaders& default_headers() const { return default_headers_; }

  // Who gives connections away in a drain; null: nobody.
  void hand_off_by(HandoffGiving* giving) override { giving_ = giving; }

  // For listeners with TLS; must outlive this.
  void use_tls(const TlsContext& context) { tls_ = &context; }

  void adopt(UniqueFd fd, PeerAddress peer, const ListenerProfile& listener);

  // From now on connections leave as their state allows, and the responses of those that are not
  // handed off say close. Later calls may shorten graces.
  void begin_drain(const DrainPlan& plan);
  bool draining() const { return drain_.begun(); }
  // From now on every response says close, and nothing else changes.
  void begin_lame_duck() { drain_.begin_lame_duck(); }
  // stop_timeout struck: all but the transfers that moved bytes since the last call of either are
  // ended, and nobody waits for handlers without a client any more. Returns how many were open.
  void mark_progress();
  std::size_t cut_stuck();
  // The deadline struck: what is left is ended and logged as cut.
  void cut_all();

  std::size_t size() const { return all_.size() + (drain_.overtime() ? 0 : orphaned_handlers_); }
  std::size_t orphaned_handlers() const { return orphaned_handlers_; }
  Stats stats() const;
  std::uint64_t refused() const { return stats_.tls_failures + stats_.proxy_failures; }
  Drained drained() const;
  std::size_t connections() const { return all_.size(); }
  StateCounts count_states() const { return all_.count_states(); }
  SessionHooks hooks;

  // For Exchange, Request and ResponseWriter
  void read_body(Exchange& exchange, std::span<char> into, Request::BodyCallback callback);
  void flush(Exchange& exchange);
  void flush_then(Exchange& exchange, ResponseWriter::FlushCallback callback);
  void send_file(Exchange& exchange, int file, std::uint64_t offset, std::uint64_t length);
  void on_client_closed(Exchange& exchange, std::function<void()> callback);
  void on_drain(Exchange& exchange, std::function<void()> callback);
  bool must_close(const Exchange& exchange) const;
  std::string_view http_date(const Exchange& exchange);
  std::string_view keep_alive_lines() const { return keep_alive_lines_; }
  const HeadLimits& head_limits() const { return head_limits_; }

  // For HandoffGiving and HandoffTaking
  std::uint64_t generation() const override { return requests_.identity().generation; }
  std::optional<Offering> begin_offer(HandoffItem& item) override;
  void take_back(HandoffItem& item, std::optional<TimePoint> deadline, bool again) override;
  void let_go(HandoffItem& item) override;
  void stop_moving() override;
  void take_over(UniqueFd fd, CarriedConnection carried, std::uint64_t generation,
                 const ListenerProfile& listener);

  // For Hijacked
  Hijacked hijack(Exchange& exchange);
  void read_hijacked(Exchange& exchange, std::span<char> into, Hijacked::ReadCallback callback);
  void write_hijacked(Exchange& exchange, std::string_view bytes, Hijacked::WriteCallback callback);
  void close_hijacked(Exchange& exchange);

  // For Connection
  void on_poll(Connection& connection, std::uint32_t events);

 private:
  TimePoint now() { return last_seen_ = clock_.now(); }

  enum class Step { Next, Wait, Gone };  // Gone: the connection must not be touched again
  enum class SendResult { Complete, Blocked, Failed };
  struct Input {
    std::string_view rest;  // received, not consumed
    bool stored;            // it is the end of Exchange::in, not of the scratch buffer
  };

  // sessions.cpp: connections come, and their machine
  Connection* add(UniqueFd fd, PeerAddress peer, const ListenerProfile& listener);
  void feed(Connection& connection, ConnEvent event);
  void start_grace(Connection& connection);

  // session_close.cpp: connections go
  void probe(Connection& connection);
  void wait_for_record(Connection& connection);
  void half_close(Connection& connection, bool quiet);
  void linger(Connection& connection);
  void linger_on(Connection& connection);
  void close(Connection& connection);
  void remove(Connection& connection);
  void collect();
  void announce_if_gone();

  // session_events.cpp: what they are watched for, and what comes
  void set_interest(Connection& connection);
  void watch(Connection& connection, std::uint32_t events);
  void rearm(Connection& connection);
  void poll_handler(Connection& connection, std::uint32_t events);

  // session_drain.cpp: deadlines and drain
  void schedule(Connection& connection, Millis after);
  void on_timer(Connection& connection);
  void time_out_request(Connection& connection);
  void begin_sweep();
  void sweep();
  void shorten_grace(Connection& connection);
  void cut(Connection& connection, Completion why);
  bool moves(Connection& connection);

  // session_handoff.cpp: connections between two owners
  bool stays_open(const Connection& connection) const;
  void begin_leaving(Connection& connection);
  bool carry_state(const Connection& connection, CarriedConnection& carried);
  void forsake(Connection& connection);

  // session_prepare.cpp, proxy_input.cpp: before the first request
  bool prepare(Connection& connection);
  bool shake_hands(Connection& connection);
  void end_handshake(Connection& connection);
  void fail_handshake(Connection& connection, std::string_view error, bool client_left);
  void log_refusal(const Connection& connection, const char* type, std::string_view error);
  bool read_proxy_header(Connection& connection);
  void refuse_unfinished_header(const Connection& connection, const char* why);
  void refuse_header(const Connection& connection, const char* why);

  // session_state.cpp: what is told of them
  void tell_state(Connection& connection);
  ConnectionInfo info_of(const Connection& connection);
  void call_state_hook(const Connection& connection, ConnectionState from, ConnectionState to);

  // session_exchange.cpp: requests in flight
  Exchange& begin_exchange(Connection& connection);
  void detach_exchange(Connection& connection);
  void log(Exchange& exchange, const Connection& connection, TimePoint at);
  void fail_callbacks(Exchange& exchange);
  void tell(const std::shared_ptr<Exchange::Notice>& notice);
  void drop_orphan(Exchange& exchange);

  // http_input.cpp, body_input.cpp: heads and bodies
  void read(Connection& connection, bool peer_ended = false);
  void on_bytes(Connection& connection, std::string_view fresh);
  void keep(Exchange& exchange, Input& input);
  Step advance(Connection& connection, Input& input);
  void wait_for_head(Connection& connection);
  Step begin_request(Connection& connection, std::string_view head, Input& input);
  Step collect_body(Connection& connection, std::string_view& rest);
  void deliver_body(Connection& connection, std::string_view fresh);
  void wait_for_body(Connection& connection);
  void send_continue(Exchange& exchange);

  // handler_calls.cpp: handlers, and what they throw
  Step run_plain(Connection& connection, std::string_view head, std::string_view rest);
  Step run_stream(Connection& connection, Input& input);
  Step after_handler_call(Connection& connection, Exchange& exchange, std::exception_ptr error,
                          bool finished);
  Step reject(Connection& connection, int status, const char* reason,
              Completion why = Completion::Rejected);
  Step fail(Connection& connection, std::exception_ptr error);
  void handler_done(Exchange& exchange, std::exception_ptr error);
  void late_done(std::uint32_t place, std::uint32_t call, std::exception_ptr error);
  void set_error_answer(Exchange& exchange, std::exception_ptr error);

  // http_output.cpp: responses
  Step respond(Connection& connection);
  Step finish_request(Connection& connection);
  void continue_sending(Connection& connection);
  SendResult send(Connection& connection, Exchange& exchange);
  ssize_t send_file_part(Connection& connection, Exchange& exchange, std::uint64_t most);
  void abort(Connection& connection, Completion why);
  void mark_incomplete(Connection& connection);

  // hijacked.cpp: streams that handlers took
  void poll_hijacked(Connection& connection, std::uint32_t events);
  void deliver_hijacked(Connection& connection);
  void watch_hijacked(Connection& connection);
  void release_hijacked(Connection& connection);

  boost::asio::io_context& io_;
  LoopClock& clock_;
  const Options& options_;
  const Selector& selector_;
  const TlsContext* tls_ = nullptr;
  HandoffGiving* giving_ = nullptr;
  std::function<void()> on_gone_;
  Poller poller_;
  Deadlines deadlines_;
  HeadLimits head_limits_;
  DefaultHeaders default_headers_;
  ConnectionList all_;
  std::uint64_t accepted_ = 0;
  // Freed after the batch of events in which they closed.
  std::vector<std::unique_ptr<Connection>> closed_;
  ExchangePool exchanges_{*this};
  std::uint32_t calls_ = 0;            // of streaming handlers
  std::size_t orphaned_handlers_ = 0;  // their clients left
  DrainState drain_;
  bool gone_posted_ = false;
  bool shutting_down_ = false;
  Stats stats_;
  Drained drained_;
  std::uint64_t refused_before_ = 0;  // the drain
  WallClock wall_{clock_};
  RequestLog requests_;
  TimePoint last_seen_{};  // what now() said last
  PeerAddress::Text address_text_{};
  std::string keep_alive_lines_;  // the same in every head
  std::vector<char> scratch_;
};

}  // namespace holdfast::worker
