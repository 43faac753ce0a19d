// The handoff of a service with a server of its own. What the service gives away is parked here,
// unread, until a worker of the next generation owns it; what nobody takes goes back to the
// service, as what older workers give does: by the same callback. park() may be called from any
// thread, the rest from the one that dispatches.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include "holdfast/worker/worker.hpp"
#include "worker/io/access_log.hpp"
#include "worker/io/dispatch_handoff_loop.hpp"
#include "worker/io/handoff_ends.hpp"
#include "worker/io/handoff_giving.hpp"
#include "worker/io/handoff_taking.hpp"

namespace holdfast::worker {

class WorkerHandoff final : HandoffSource, HandoffSink {
 public:
  // All references must outlive this.
  WorkerHandoff(WorkerLink& link, ConnectionTracker& tracker,
                const std::vector<WorkerListener>& listeners, const Identity& identity);

  std::function<void(TakenConnection)> taken;  // the service's own
  std::function<void()> on_stopped;            // nothing moves any more

  void meet(const Peer& peer, UniqueFd link);
  // `moves`: other workers are to take what they can. A later call can only end that. Returns
  // whether they do.
  bool begin_drain(bool moves);
  void end();  // the drain's deadline: everything is the service's again, or somebody else's

  void run();  // in each dispatch()
  std::optional<TimePoint> wake_at() const { return loop_.wake_at(); }

  std::size_t held() const { return parked_count_ + taking_.held(); }
  const HandoffDone& counts() const { return giving_.counts(); }
  std::uint64_t handed_off() const { return handed_off_; }

 private:
  struct Parked : HandoffItem {
    UniqueFd fd;
    TakenConnection connection;
    std::uint64_t number = 0;
    std::list<Parked>::iterator place;
  };

  bool park(TakenConnection given);
  void queue_parked();
  void give_back(Parked& parked);
  void forget(Parked& parked);
  bool listens(std::string_view name) const;

  void hand_off_by(HandoffGiving* giving) override { by_ = giving; }
  std::uint64_t generation() const override { return identity_.generation; }
  std::optional<Offering> begin_offer(HandoffItem& item) override;
  void take_back(HandoffItem& item, std::optional<TimePoint> deadline, bool again) override;
  void let_go(HandoffItem& item) override;
  void stop_moving() override;

  bool takes(const CarriedConnection& carried) const override;
  std::size_t connections() const override;
  std::size_t max_connections() const override { return 0; }
  void take_over(UniqueFd fd, CarriedConnection carried, std::uint64_t generation) override;

  WorkerLink& link_;
  ConnectionTracker& tracker_;
  const std::vector<WorkerListener>& listeners_;
  const Identity& identity_;
  HandoffGiving* by_ = nullptr;
  std::list<Parked> parked_;
  std::atomic<std::size_t> parked_count_ = 0;  // the inbox too
  std::uint64_t numbers_ = 0;
  std::uint64_t handed_off_ = 0;
  bool draining_ = false;

  std::mutex mutex_;
  bool moving_ = false;  // changed by the one thread only
  std::list<Parked> inbox_;

  DispatchHandoffLoop loop_;
  HandoffGiving giving_;
  HandoffTaking taking_;
};

}  // namespace holdfast::worker
