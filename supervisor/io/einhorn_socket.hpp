// Where an einhorn worker says that it is ready: a line {"command":"worker:ack","pid":N} on a Unix
// stream, either one that it connects to by EINHORN_SOCK_PATH or one that it was given. Nothing
// else is understood, and nothing is answered. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>

#include <boost/asio/io_context.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

class EinhornSocket {
 public:
  struct Callbacks {
    std::function<void()> on_ack;
    std::function<void(pid_t)> on_stranger;
  };

  static Result<EinhornSocket> open();
  EinhornSocket(EinhornSocket&&) noexcept = default;
  EinhornSocket& operator=(EinhornSocket&&) = delete;
  ~EinhornSocket();  // removes the path

  const std::string& path() const { return path_; }
  int worker_end() const { return theirs_.get(); }

  // Callbacks run on the thread of the io_context, and may destroy this.
  void start(boost::asio::io_context& io, pid_t worker, Callbacks callbacks);

 private:
  struct State;
  EinhornSocket() = default;

  std::string folder_;
  std::string path_;
  UniqueFd lock_;      // on the folder: what a killed supervisor leaves is not locked
  UniqueFd listener_;  // these three until start()
  UniqueFd ours_;
  UniqueFd theirs_;
  std::shared_ptr<State> state_;
};

}  // namespace holdfast::supervisor
