// A TCP relay that is as far away as a round trip: what either side says reaches the other half of
// it later, bytes, FIN and RST alike and in order. So a server's FIN and a client's next request
// can cross on the wire, which on loopback they hardly ever do. Needs no rights and no netem.
//
// Two things differ from a real network: a connect is answered at once (the server learns of it
// half a round trip later), and there is no flow control, so it is for small messages.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "shared/io/unique_fd.hpp"
#include "tests/support/load_client_socket.hpp"

namespace holdfast::testing {

class RttRelay {
 public:
  using Clock = std::chrono::steady_clock;

  // Throws std::system_error.
  RttRelay(Target target, std::chrono::nanoseconds rtt);
  ~RttRelay();

  const std::string& address() const { return address_; }
  [[noreturn]] void run();

 private:
  struct Link;
  struct Side;
  enum class What { Connect, Bytes, Fin, Reset };
  struct Delivery {
    Clock::time_point due;
    std::shared_ptr<Link> link;
    Side* to;
    What what;
    std::string bytes;
  };

  void accept_all();
  void watch(Side& side);
  void post(Side& to, What what, std::string bytes = {});
  void deliver_due();
  void deliver(Delivery& delivery);
  void connect(Side& side);
  void read(Side& side);
  void flush(Side& side);
  void finish(Side& side);
  void fail(Side& side);
  void end(Side& side);

  Target target_;
  const std::chrono::nanoseconds way_;
  UniqueFd listener_;
  UniqueFd epoll_;
  std::string address_;
  std::deque<Delivery> wire_;  // in the order in which they are due
  std::vector<std::shared_ptr<Link>> ended_;
  std::vector<char> scratch_;
};

}  // namespace holdfast::testing
