// The listeners of a worker: accepts into Sessions, pauses and resumes, and waits while descriptors
// or room are short. Our copies are only ever closed: shutdown() would stop the shared socket for
// every process that holds it. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/io/handoff_ends.hpp"
#include "worker/io/listener_profile.hpp"
#include "worker/io/loop_clock.hpp"
#include "worker/io/poller.hpp"
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

class Acceptors : public HandoffSink {
 public:
  // `max_connections` as in Options. Sessions must outlive this.
  Acceptors(boost::asio::io_context& io, LoopClock& clock, Sessions& sessions,
            const std::size_t& max_connections);
  ~Acceptors() override;

  // A nonblocking listening socket. Between start() and pause() it accepts at once.
  void add(UniqueFd fd, ListenerProfile profile);

  void start();
  // Keeps the listeners; what their queues hold is for others. From those named it goes on
  // accepting.
  void pause(const std::vector<std::string>& except = {});
  // Closes our copies of all others, and accepts from these.
  void keep_only(const std::vector<std::string>& names);
  // Accepts what is queued first if `drain_queue`, then closes our copies; the first error of
  // close(2).
  Result<void> close(bool drain_queue);

  // Of a full stop: closes those whose queue belongs to whoever comes after us.
  void close_kept();

  // For HandoffTaking: what older workers accepted from a listener of the same name.
  bool takes(const CarriedConnection& carried) const override;
  std::size_t connections() const override { return sessions_.connections(); }
  std::size_t max_connections() const override { return max_connections_; }
  void take_over(UniqueFd fd, CarriedConnection carried, std::uint64_t generation) override;

  // Called when nothing can be accepted from a listener any more, after it was closed. Without it
  // the listener stays, in case that whoever shut it down for everybody makes it listen again.
  std::function<void(const Error&)> on_failed;

 private:
  struct Listener final : Pollable {
    void on_poll(std::uint32_t events) override;
    Acceptors* owner = nullptr;
    UniqueFd fd;
    ListenerProfile profile;
    bool wanted = true;    // unless it is paused
    bool watched = false;  // in the epoll set
  };
  enum class Accepted { More, Empty, Starved, Failed };

  // Nothing where there is no listener of that name. Valid as long as this.
  const ListenerProfile* profile(std::string_view name) const;
  void accept_batch(Listener& listener);
  Accepted accept_from(Listener& listener);
  void watch();
  bool watch(Listener& listener);
  void unwatch(Listener& listener);
  void fail(Listener& listener, int error);
  void unwatch();
  bool is_full() const;
  void starve();  // no descriptors: stop looking until there may be some

  Sessions& sessions_;
  const std::size_t& max_connections_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Listener>> closed_;  // connections still refer to their profiles
  LoopTimer retry_;
  bool wanted_ = false;    // to accept from one at least
  bool watching_ = false;  // those that are wanted
};

}  // namespace holdfast::worker
