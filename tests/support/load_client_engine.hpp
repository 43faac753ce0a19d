// The policy of the load client: when each connection connects, sends, waits and gives up, and what
// the end of a request is called. One thread, one epoll set in edge-triggered mode (each socket is
// registered once), one timer heap, and a coarse sweep for deadlines.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <sys/epoll.h>
#include <vector>

#include "tests/support/load_client.hpp"
#include "tests/support/load_client_connection.hpp"
#include "tests/support/load_client_group.hpp"
#include "tests/support/load_client_recorder.hpp"
#include "tests/support/load_client_timers.hpp"

namespace holdfast::testing {

class LoadClient::Engine {
 public:
  explicit Engine(LoadOptions options);

  LoadResult run();
  void stop();
  void wake();
  void expect_stop() { expect_stop_.store(true, std::memory_order_relaxed); }
  Recorder& recorder() { return recorder_; }

 private:
  using Phase = Connection::Phase;

  // The life of a request.
  void begin_request(Connection& c);
  void issue(Connection& c);
  void connect(Connection& c);
  void on_connected(Connection& c);
  void send_first(Connection& c);
  void start_pace(Connection& c);
  void on_pace(Connection& c);
  void send_more(Connection& c);
  void receive(Connection& c, bool peer_closed);
  void on_receive_end(Connection& c, bool reset);
  void finish_response(Connection& c);
  void finish(Connection& c, bool keep);
  void fail(Connection& c, Failure failure);
  void fail_connect(Connection& c, int error);

  // Between requests.
  bool check_idle(Connection& c);
  void rest(Connection& c, Nanos pause);
  void retire(Connection& c);
  void disconnect(Connection& c);

  // The loop.
  void launch();
  void loop();
  void dispatch(const epoll_event& event);
  void on_timer(const Timer& timer);
  void sweep();
  void begin_finish();  // no new requests; what rests is retired
  void give_up();
  void wake_parked();
  void wake_in(Connection& c, Nanos delay);
  Nanos think(const Group& group);
  Nanos draw(const DurationRange& range);
  bool draw_post(const Group& group);
  bool may_begin(const Group& group) const {
    return !finishing_ && stops_.load(std::memory_order_relaxed) == 0 && may_issue() &&
           group.may_issue();
  }
  bool may_issue() const { return options_.max_requests == 0 || issued_ < options_.max_requests; }

  const LoadOptions options_;
  Target target_;
  std::unique_ptr<TlsClientContext> tls_;
  Recorder recorder_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<std::unique_ptr<Connection>> connections_;
  UniqueFd epoll_;
  UniqueFd wake_;
  TimerQueue timers_;
  std::minstd_rand random_{20240229};
  std::array<char, 64 * 1024> scratch_{};
  TimePoint now_;
  TimePoint next_sweep_;
  Nanos sweep_every_{};
  std::uint64_t issued_ = 0;
  std::size_t live_ = 0;  // not retired
  bool finishing_ = false;
  std::atomic<bool> expect_stop_{false};
  std::atomic<int> stops_{0};
  std::atomic<std::uint64_t> wakes_{0};
};

}  // namespace holdfast::testing
