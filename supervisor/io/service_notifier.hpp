// The way to the service manager that started us: datagrams to $NOTIFY_SOCKET (sd_notify(3)),
// written here because the protocol is one sendmsg(2). Never blocks and never fails: without a
// manager it does nothing. One thread.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shared/io/unique_fd.hpp"
#include "supervisor/core/report.hpp"
#include "supervisor/core/service_notice.hpp"

namespace holdfast::supervisor {

class ServiceNotifier {
 public:
  // Takes NOTIFY_SOCKET, WATCHDOG_* and FDSTORE out of the environment. Call it once, while there
  // is one thread.
  explicit ServiceNotifier(boost::asio::io_context& io);
  ~ServiceNotifier();
  ServiceNotifier(const ServiceNotifier&) = delete;
  ServiceNotifier& operator=(const ServiceNotifier&) = delete;

  bool connected() const { return static_cast<bool>(socket_); }

  void begin();  // the start is under way
  void tell(const Report& report);
  // Kept by the manager over a restart, and given back as LISTEN_FDS under this name.
  void store(const std::string& name, int fd);
  void remove_stored(const std::string& name);

 private:
  struct Datagram {
    std::string text;
    UniqueFd fd;  // may be empty
  };
  void send(std::string text, UniqueFd fd = {});
  bool send_now(const Datagram& datagram);
  void flush_later();
  void arm();

  ServiceNotices notices_;
  UniqueFd socket_;
  std::deque<Datagram> waiting_;
  bool flushing_ = false;
  boost::asio::posix::stream_descriptor watch_;
  boost::asio::steady_timer timer_;
};

// Before there is a notifier: one datagram, or nothing where nobody listens.
void tell_manager_now(const std::string& text);

}  // namespace holdfast::supervisor
