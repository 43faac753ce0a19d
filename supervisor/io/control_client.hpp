// One operator at the control socket: requests come in as lines, replies wait in a bounded buffer.
// A client that sends half a line, does not read or has nothing to say is dropped at a deadline;
// nobody ever waits for it. One thread; shared_ptr because of its pending waits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"
#include "supervisor/core/control_access.hpp"
#include "supervisor/core/operator_message.hpp"

namespace holdfast::supervisor {

struct ControlLimits {
  // A status of a thousand workers takes half of it.
  std::size_t outbox = 1024 * 1024;
  Millis half_sent{10'000};  // from the first byte of a line to its end
  Millis unread{10'000};     // a reply that nobody takes
  Millis silent{60'000};     // nothing asked and nothing awaited
  // A script that leaks connections must not lock its own operator out of the rest.
  std::size_t clients_per_user = 64;
  std::size_t clients = 256;
};

// Whether it may change anything.
enum class ControlAccess : std::uint8_t { Full, ReadOnly };

class ControlClient : public std::enable_shared_from_this<ControlClient> {
 public:
  struct Callbacks {
    std::function<void(ControlClient&, std::string_view line)> on_line;
    // `why` is empty when it left by itself. The client is closed already.
    std::function<void(ControlClient&, const std::string& why)> on_gone;
  };

  ControlClient(boost::asio::io_context& io, UniqueFd socket, ControlPeer peer,
                ControlAccess access, const ControlLimits& limits, Callbacks callbacks);
  ~ControlClient();
  ControlClient(const ControlClient&) = delete;
  ControlClient& operator=(const ControlClient&) = delete;

  void start();
  // Whole lines. A client whose buffer is full is dropped.
  void send(std::string_view lines);
  void close(const std::string& why = {});
  // No more requests; closes when all is sent.
  void finish();
  // At the end of the run: blocks at most until `deadline`.
  void flush_until(TimePoint deadline);

  // It awaits something that comes by itself: a verdict, or events for as long as it likes.
  void await() { awaits_ = true; }
  void answer_awaited(std::string_view lines);
  bool awaits() const { return awaits_; }
  void follow(bool output) {
    follows_ = awaits_ = true;
    follows_output_ = output;
  }
  bool follows() const { return follows_; }
  bool follows_output() const { return follows_output_; }

  const ControlPeer& peer() const { return peer_; }
  ControlAccess access() const { return access_; }
  bool open() const { return open_; }

 private:
  void wait_readable();
  void wait_writable();
  void read();
  void pump();
  void write();
  void arm();
  bool peer_is_gone() const;

  UniqueFd fd_;
  boost::asio::posix::stream_descriptor watch_;
  boost::asio::steady_timer deadline_;
  ControlPeer peer_;
  ControlAccess access_;
  ControlLimits limits_;
  Callbacks callbacks_;
  OperatorLines lines_;
  std::string outbox_;
  bool open_ = true;
  bool reading_ = false;
  bool writing_ = false;
  bool pumping_ = false;
  bool end_of_requests_ = false;
  bool awaits_ = false;
  bool follows_ = false;
  bool follows_output_ = false;
  enum class Pressed : std::uint8_t {
    Nothing,
    HalfSent,
    Unread,
    Silent
  } pressed_ = Pressed::Nothing;
};

}  // namespace holdfast::supervisor
