// A strict HTTP/1.1 load client: closed loops of requests over many connections, driven by one
// thread and one epoll set. It never retries: each request ends as ok or in exactly one Failure,
// and what a server may rightly do between requests (closing an idle connection) is counted apart.
// A request that was sent on a reused connection and met a close is a failure, race or not.
// run() belongs to one thread; stop(), expect_stop(), mark(), wake(), wait_for_requests() and the
// counters may be called from any.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "tests/support/load_client_histogram.hpp"

namespace holdfast::testing {

using Nanos = std::chrono::nanoseconds;
using TimePoint = std::chrono::steady_clock::time_point;  // CLOCK_MONOTONIC

enum class Failure : std::uint8_t {
  Refused,         // ECONNREFUSED, or the path of a Unix socket is gone
  ConnectTimeout,  // no answer to the connect
  ConnectReset,    // any other end of the connect
  ReusedReset,     // request on a reused connection: reset before any response byte
  ReusedEof,       // the same, orderly close
  FreshReset,      // first request of a connection: reset before any response byte
  FreshEof,        // the same, orderly close
  Truncated,       // the response began and is incomplete
  WrongStatus,
  WrongBody,
  Timeout,        // no progress for the group's timeout
  ProtocolError,  // not HTTP, or bytes that no request asked for
};
inline constexpr std::size_t kFailures = 12;
std::string_view name_of(Failure failure);

struct DurationRange {
  Nanos low{};
  Nanos high{};
};

enum class Mode : std::uint8_t {
  KeepAlive,   // requests one after another on one connection
  New,         // a connection a request, closed by us after the response
  Upload,      // a POST whose body is streamed at upload_rate
  SlowSend,    // the head goes out in `pieces` over send_time
  HalfHead,    // half of the head, then a hold, then the rest
  Preconnect,  // connects, holds without a byte, then a request; new connection each time
  Raw,         // sends `raw` on a new connection; expects `status`, or a close
  Idle,        // one request, then silence but for wake(); reports only whether it was closed
};

enum class Verify : std::uint8_t { Auto, None, Hello, Echo };

struct GroupOptions {
  std::string name = "default";
  Mode mode = Mode::KeepAlive;
  int connections = 1;
  std::uint64_t requests = 0;  // issue at most so many; 0 = no limit
  DurationRange think{};       // pause between requests; the hold where a mode has one
  int per_connection = 0;      // requests on one connection before we close it; 0 = no limit
  bool say_close = false;      // send "Connection: close"
  bool ids = false;            // send "X-Request-ID: <name>-<n>", n = 1..begun
  std::string method = "GET";  // of requests that are no POST
  std::string path = "/";
  int post_percent = 0;  // share of POSTs
  std::string post_path = "/echo";
  std::size_t body = 200;  // bytes of a POST
  std::vector<std::string> headers;
  std::uint64_t upload_size = 1 << 20;
  std::uint64_t upload_rate = 0;  // bytes a second; 0 = as fast as it goes
  int pieces = 8;
  Nanos send_time = std::chrono::milliseconds(400);
  std::string raw;
  bool expect_close = false;  // Raw: the right answer is a close without a byte
  int status = 200;
  Verify verify = Verify::Auto;  // as holdfast-demo answers on /, /upload, and to any POST (echo)
  Nanos timeout = std::chrono::seconds(30);  // without progress
};

struct LoadOptions {
  std::string target;  // 127.0.0.1:8080, [::1]:8080, unix:/path, unix:@abstract
  std::vector<GroupOptions> groups;
  Nanos duration{};                // 0 = until stop() or the request limits
  std::uint64_t max_requests = 0;  // over all groups; 0 = no limit
  Nanos connect_timeout = std::chrono::seconds(10);
  Nanos window = std::chrono::milliseconds(300);  // after each mark
  bool tls = false;               // without verification; an end without close_notify is a reset
  bool expect_stop = false;       // as if expect_stop() were called first
  bool keep_answers = false;      // LoadResult::answers: a line of memory for each request
  std::size_t max_examples = 20;  // failures that are kept one by one
  std::string generation_header = "X-Generation";
  std::string worker_header = "X-Worker";
};

// Parses "name=posts,connections=100,think=0-50ms,post=100%". Throws std::invalid_argument.
GroupOptions parse_group(std::string_view spec);
Nanos parse_duration(std::string_view text);

struct GroupResult {
  std::uint64_t begun = 0;     // at least one byte was sent
  std::uint64_t answered = 0;  // a whole response came, right or wrong
  std::uint64_t ok = 0;
  std::uint64_t aborted = 0;  // begun and given up by us; only a second stop() does that
  std::array<std::uint64_t, kFailures> failures{};
  std::uint64_t refused_after_stop = 0;  // no failure
  std::uint64_t connects = 0;
  std::uint64_t idle_closed = 0;       // FIN seen before the next request was sent
  std::uint64_t idle_reset = 0;        // RST likewise
  std::uint64_t connection_close = 0;  // announced by the response
  std::uint64_t parked = 0;            // Idle: still open at the end
  std::map<int, std::uint64_t> statuses;
  std::map<std::string, std::uint64_t> generations;  // responses by X-Generation
  Histogram steady;
  Histogram window;

  void merge(const GroupResult& other);
  std::uint64_t failed() const;
  std::uint64_t count(Failure failure) const { return failures[static_cast<std::size_t>(failure)]; }
};

struct TimelineBucket {  // 10 ms
  std::uint32_t done = 0;
  std::uint32_t failed = 0;
  std::uint32_t max_us = 0;
};

struct FailureExample {
  Nanos at{};  // since the start
  std::string group;
  Failure failure{};
  int error = 0;  // errno, where there was one
  int status = 0;
  std::uint32_t served = 0;  // responses on that connection before
  std::uint64_t sent = 0;    // bytes of the request
  std::uint64_t serial = 0;  // of its id
  int local_port = 0;
};

// Who answered which request.
struct Answer {
  std::string_view group;  // of the options, which the client owns
  std::uint64_t serial = 0;
  int worker = 0;  // X-Worker; 0 when it says none
  Nanos at{};      // since the start
};

struct LoadResult {
  std::string target;
  TimePoint started;
  Nanos duration{};
  std::map<std::string, GroupResult> groups;
  std::map<std::string, std::uint64_t> generations;  // responses by X-Generation
  std::map<std::string, std::uint64_t> workers;      // responses by X-Worker
  Nanos first_refused{-1};                           // after expect_stop, since the start
  std::vector<Nanos> marks;                          // since the start
  std::vector<TimelineBucket> timeline;
  std::vector<FailureExample> examples;
  std::vector<Answer> answers;  // where they are kept; as long as the client lives

  GroupResult total() const;
  std::uint64_t failed() const { return total().failed(); }
  std::string summary() const;  // one line for a failed EXPECT
};

nlohmann::ordered_json to_json(const LoadResult& result);

class LoadClient {
 public:
  // Throws std::invalid_argument or std::system_error; sends nothing yet.
  explicit LoadClient(LoadOptions options);
  ~LoadClient();
  LoadClient(const LoadClient&) = delete;
  LoadClient& operator=(const LoadClient&) = delete;

  // Runs until the duration, the request limits or stop(). Once only. Throws std::system_error
  // when the client itself is out of descriptors or ports.
  LoadResult run();

  // run() on a thread of its own; join() waits for its end, finish() is stop() and join().
  void start();
  LoadResult join();
  LoadResult finish();

  // No new requests; run() returns when those in flight have ended. A second call gives them up.
  void stop();
  // The target is about to be told to stop: from now a refused connect is right, and a group ends
  // at its first one.
  void expect_stop();
  // Latencies of requests that touch the window after `instant` (at most now) are kept apart.
  void mark(TimePoint instant = std::chrono::steady_clock::now());

  // Every idle connection that is still open sends one request more, and is silent again.
  void wake();

  bool over() const;
  std::uint64_t requests_done() const;  // ok and failed
  std::uint64_t requests_failed() const;
  std::uint64_t connections_open() const;
  std::uint64_t connections_parked() const;  // Idle, and silent
  // wake() calls that were obeyed; then the connections that have not been answered since.
  std::uint64_t wakes() const;
  std::uint64_t connections_awake() const;
  // Waits until `count` requests are done or the run is over; false when time is out before.
  bool wait_for_requests(std::uint64_t count, Nanos timeout = std::chrono::seconds(30));

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<LoadResult> result_;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace holdfast::testing
