// The NOTIFY_SOCKET of one worker: its own, so that no other generation can speak for it. A name of
// the abstract namespace, which workers of any user reach and nobody has to remove; whoever sends
// to it is known by SCM_CREDENTIALS. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>

#include <boost/asio/io_context.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"
#include "supervisor/core/notify_message.hpp"

namespace holdfast::supervisor {

class NotifySocket {
 public:
  struct Callbacks {
    std::function<void(const NotifyMessage&)> on_message;
    std::function<void(pid_t)> on_stranger;  // not of the worker's family; its words are ignored
  };

  // Not listened to before start().
  static Result<NotifySocket> open();
  NotifySocket(NotifySocket&&) noexcept = default;
  NotifySocket& operator=(NotifySocket&&) = delete;
  ~NotifySocket();

  const std::string& address() const { return address_; }  // for NOTIFY_SOCKET

  // Callbacks run on the thread of the io_context, and may destroy this.
  void start(boost::asio::io_context& io, pid_t worker, Callbacks callbacks);

  // What lies there, now: a worker's last words precede its death. At most so many a turn.
  void drain();

 private:
  struct State;
  explicit NotifySocket(UniqueFd fd, std::string address);

  std::string address_;
  UniqueFd fd_;  // until start()
  std::shared_ptr<State> state_;
};

// The worker, a process of its group, or a descendant that has left it.
bool is_family(pid_t sender, pid_t worker);

}  // namespace holdfast::supervisor
