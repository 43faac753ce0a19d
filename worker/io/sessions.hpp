// The HTTP server over accepted connections: reads requests, calls handlers, sends responses, keeps
// time, drains. It performs what the connection machine decides. One thread, that of the
// io_context.
//   sessions.cpp       the connections       http_input.cpp     heads, and who answers them
//   session_drain.cpp  deadlines and drain   body_input.cpp     bodies for streaming handlers
//   session_prepare.cpp  before requests     transport.cpp      bytes, plain or TLS
//   exchange_pool.cpp  requests in flight    handler_calls.cpp  handlers, and what they throw
//   request_log.cpp    what is counted       http_output.cpp    responses
//   proxy_input.cpp    PROXY headers         client_address.cpp who the client is
//   session_state.cpp  what users are told of connections
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "holdfast/worker/options.hpp"
#include "holdfast/worker/server.hpp"
#include "shared/core/control_message.hpp"
#include "worker/core/forwarded.hpp"
#include "worker/io/access_log.hpp"
#include "worker/io/connection.hpp"
#include "worker/io/exchange.hpp"
#include "worker/io/loop_clock.hpp"
#include "worker/io/poller.hpp"
#include "worker/io/tls_context.hpp"
#include "worker/io/wall_clock.hpp"

namespace holdfast::worker {

class Sessions {
 public:
  // `on_gone` runs, not from inside a call, each time the last connection has closed and no handler
  // is left running. All references must outlive this.
  Sessions(boost::asio::io_context& io, LoopClock& clock, const Options& options,
           const Selector& selector, AccessLog& log, std::function<void()> on_gone);
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  Poller& poller() { return poller_; }
  // Whose X-Forwarded-For is believed (Options::trusted_proxies).
  Result<void> trust(const std::vector<std::string>& networks);
  void set_identity(Identity identity) { identity_ = identity; }
  Identity identity() const { return identity_; }

  void set_default_header(std::string name, std::string value);
  // In every response; with a Date among them the server adds none.
  std::string_view default_lines() const { return default_lines_; }
  bool default_date() const { return default_date_; }

  // For listeners with TLS; must outlive this.
  void use_tls(const TlsContext& context) { tls_ = &context; }

  void adopt(UniqueFd fd, PeerAddress peer, const ListenerProfile& listener);

  // From now on every response says close, and connections leave as their state allows. Later calls
  // may shorten graces.
  void begin_drain(Millis new_grace, Millis idle_grace);
  bool draining() const { return draining_; }
  // The deadline struck: what is left is ended and logged as cut.
  void cut_all();

  std::size_t size() const { return open_ + orphaned_handlers_; }  // what a drain waits for
  Stats stats() const;
  Drained drained() const { return drained_; }
  std::size_t connections() const { return open_; }
  struct StateCounts {
    std::size_t fresh = 0;
    std::size_t active = 0;
    std::size_t idle = 0;
  };
  StateCounts count_states() const;  // looks at every connection
  // Server::on_connection_state
  Server::ConnectionHook on_state;
  // Called when a connection was closed while accepting is paused for want of room.
  std::function<void()> on_room;

  // Runs after a request was counted, so that somebody can report it.
  std::function<void()> on_count;

  // For Exchange, Request and ResponseWriter
  // ---------------------------------------------------------------------------
  void read_body(Exchange& exchange, std::span<char> into, Request::BodyCallback callback);
  void flush(Exchange& exchange);
  void flush_then(Exchange& exchange, ResponseWriter::FlushCallback callback);
  void send_file(Exchange& exchange, int file, std::uint64_t offset, std::uint64_t length);
  void on_client_closed(Exchange& exchange, std::function<void()> callback);
  void on_drain(Exchange& exchange, std::function<void()> callback);

  // For Hijacked
  // --------------------------------------------------------------------------------------------
  Hijacked hijack(Exchange& exchange);
  void read_hijacked(Exchange& exchange, std::span<char> into, Hijacked::ReadCallback callback);
  void write_hijacked(Exchange& exchange, std::string_view bytes, Hijacked::WriteCallback callback);
  void close_hijacked(Exchange& exchange);
  bool must_close(const Exchange& exchange) const;
  bool next_request_is_here(const Exchange& exchange) const;
  std::string_view http_date(const Exchange& exchange);
  std::string& request_id(Exchange& exchange);
  // Where every response says it; nothing where none does.
  std::string_view request_id_field() const {
    return options_.echo_request_id ? std::string_view(options_.request_id_header)
                                    : std::string_view{};
  }
  std::string_view remote_address(Exchange& exchange);
  std::string_view client_address(Exchange& exchange);
  const HeadLimits& head_limits() const { return head_limits_; }

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

  // sessions.cpp: the connections and their machine
  void feed(Connection& connection, ConnEvent event);
  void start_grace(Connection& connection);
  void tell_state(Connection& connection);
  void call_state_hook(const Connection& connection, ConnectionState from, ConnectionState to);
  void probe(Connection& connection);
  void wait_for_record(Connection& connection);
  void half_close(Connection& connection, bool quiet);
  void linger(Connection& connection);
  void linger_on(Connection& connection);
  void close(Connection& connection);
  void cut(Connection& connection, Completion why);
  void on_timer(Connection& connection);
  void time_out_request(Connection& connection);
  void schedule(Connection& connection, Millis after);
  void arm_wheel();
  void turn_wheel();
  void sweep();
  void shorten_grace(Connection& connection);
  void set_interest(Connection& connection);
  void watch(Connection& connection, std::uint32_t events);
  void rearm(Connection& connection);
  void poll_handler(Connection& connection, std::uint32_t events);

  // session_prepare.cpp
  bool prepare(Connection& connection);
  bool shake_hands(Connection& connection);
  void end_handshake(Connection& connection);
  void fail_handshake(Connection& connection, std::string_view error, bool client_left);
  void log_refusal(const Connection& connection, const char* type, std::string_view error);

  // proxy_input.cpp, client_address.cpp
  bool read_proxy_header(Connection& connection);
  void refuse_unfinished_header(const Connection& connection, const char* why);
  void refuse_header(const Connection& connection, const char* why);
  std::optional<PeerAddress> told_client(const Exchange& exchange,
                                         const Connection& connection) const;
  void collect();
  void announce_if_gone();
  Exchange& begin_exchange(Connection& connection);
  void add_exchange();
  void detach_exchange(Connection& connection);
  void release(Exchange& exchange);

  // http_input.cpp
  void read(Connection& connection, bool peer_ended = false);
  void end_of_input(Connection& connection);
  void on_bytes(Connection& connection, std::string_view fresh);
  void keep(Exchange& exchange, Input& input);
  Step advance(Connection& connection, Input& input);
  void wait_for_head(Connection& connection);
  Step begin_request(Connection& connection, std::string_view head, Input& input);
  Step collect_body(Connection& connection, std::string_view& rest);
  Step run_plain(Connection& connection, std::string_view head, std::string_view rest);
  Step run_stream(Connection& connection, Input& input);
  Step after_handler_call(Connection& connection, Exchange& exchange, std::exception_ptr error,
                          bool finished);
  Step reject(Connection& connection, int status, const char* reason,
              Completion why = Completion::Rejected);
  void deliver_body(Connection& connection, std::string_view fresh);
  void wait_for_body(Connection& connection);
  Step fail(Connection& connection, std::exception_ptr error);
  void send_continue(Exchange& exchange);

  // hijacked.cpp
  void poll_hijacked(Connection& connection, std::uint32_t events);
  void deliver_hijacked(Connection& connection);
  void watch_hijacked(Connection& connection);
  void release_hijacked(Connection& connection);

  // http_output.cpp
  void handler_done(Exchange& exchange, std::exception_ptr error);
  void late_done(std::uint32_t place, std::uint32_t call, std::exception_ptr error);
  Step respond(Connection& connection);
  Step finish_request(Connection& connection);
  void continue_sending(Connection& connection);
  SendResult send(Connection& connection, Exchange& exchange);
  void set_error_answer(Exchange& exchange, std::exception_ptr error);
  void fail_callbacks(Exchange& exchange);
  void tell(const std::shared_ptr<Exchange::Notice>& notice);
  ssize_t send_file_part(Connection& connection, Exchange& exchange, std::uint64_t most);
  void drop_orphan(Exchange& exchange);
  void abort(Connection& connection, Completion why);
  void mark_incomplete(Connection& connection);
  void log(Exchange& exchange, const Connection& connection, TimePoint now);
  std::string_view given_request_id(const Exchange& exchange) const;

  boost::asio::io_context& io_;
  LoopClock& clock_;
  const Options& options_;
  const Selector& selector_;
  AccessLog& log_;
  const TlsContext* tls_ = nullptr;
  std::function<void()> on_gone_;
  Poller poller_;
  TimerWheel wheel_;
  LoopTimer wheel_timer_;
  HeadLimits head_limits_;
  TrustedProxies trusted_;
  std::vector<std::pair<std::string, std::string>> default_headers_;
  std::string default_lines_;  // of the above
  bool default_date_ = false;
  Identity identity_;
  std::uint64_t pid_;

  Connection* first_ = nullptr;  // of all open connections, newest first
  std::size_t open_ = 0;
  std::uint64_t accepted_ = 0;
  std::vector<std::unique_ptr<Connection>>
      closed_;  // freed after the batch of events in which they closed
  std::vector<std::unique_ptr<Exchange>> exchanges_;  // all; an exchange knows its place here
  std::vector<std::uint32_t> free_places_;            // those that hold none
  std::vector<Exchange*> idle_exchanges_;             // those that serve nobody
  std::uint32_t calls_ = 0;                           // of streaming handlers
  std::size_t orphaned_handlers_ = 0;                 // their clients left

  bool draining_ = false;
  Millis new_grace_{0};
  Millis idle_grace_{0};
  Connection* sweep_at_ = nullptr;
  bool gone_posted_ = false;
  bool shutting_down_ = false;

  Stats stats_;
  Drained drained_;
  WallClock wall_{clock_};
  TimePoint last_seen_{};  // what now() said last
  std::string id_text_;    // of this worker's request ids: 16 random digits, then 16 that count
  std::uint64_t id_count_ = 0;
  bool usual_request_id_;  // X-Request-ID, which every head is read for anyway
  PeerAddress::Text address_text_{};
  std::vector<char> scratch_;
};

}  // namespace holdfast::worker
