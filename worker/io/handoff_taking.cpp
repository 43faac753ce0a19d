#include "worker/io/handoff_taking.hpp"

#include <algorithm>
#include <filesystem>
#include <sys/resource.h>

#include "shared/core/overloaded.hpp"

namespace holdfast::worker {
namespace {

// Of the limit of open files so much is left to what the service opens itself, and where the limit
// is small an eighth.
constexpr std::size_t kReserved = 128;

std::size_t count_descriptors() {
  std::error_code failed;
  const std::filesystem::directory_iterator all("/proc/self/fd", failed);
  return failed ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

HandoffTaking::HandoffTaking(HandoffLoop& loop, HandoffSink& sink, std::function<void()> on_settled)
    : loop_(loop), sink_(sink), on_settled_(std::move(on_settled)) {}

void HandoffTaking::add(WorkerId worker, UniqueFd link) {
  if (draining_) return;  // its giver sees the end of the channel
  if (givers_.empty()) {
    const std::size_t open = count_descriptors();
    own_descriptors_ = open - std::min(open, sink_.connections());
  }
  givers_.push_back(std::make_unique<Giver>());
  Giver& giver = *givers_.back();
  giver.worker = worker;
  giver.link.emplace(loop_, std::move(link),
                     PeerLink::Callbacks{[this, &giver](PeerLink::Received message) {
                                           received(giver, std::move(message));
                                         },
                                         [this, &giver] { feed(giver, GiverLost{}); }});
  giver.link->send(OpenPeer{room()});
}

std::size_t HandoffTaking::held() const {
  std::size_t held = 0;
  for (const auto& giver : givers_) held += giver->machine.held;
  return held;
}

// How many connections we can take; who offers more is refused by the kernel, which is no harm.
std::size_t HandoffTaking::room() const {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const std::size_t all = limit.rlim_cur;
  const std::size_t used =
      own_descriptors_ + sink_.connections() + held() + std::min(kReserved, all / 8);
  std::size_t room = all - std::min(all, used);
  if (const std::size_t most = sink_.max_connections(); most != 0) {
    const std::size_t here = sink_.connections() + held();
    room = std::min(room, most - std::min(most, here));
  }
  return room;
}

void HandoffTaking::received(Giver& giver, PeerLink::Received received) {
  if (auto* offer = std::get_if<Offer>(&received.message)) {
    if (received.torn) return feed(giver, OfferCameTorn{offer->batch});
    return feed(giver, look_at(giver, std::move(*offer), std::move(received.fds)));
  }
  std::visit(overloaded{
                 [&](const ReleaseOffer& m) { feed(giver, ReleaseCame{m.batch}); },
                 [&](const CancelOffer& m) { feed(giver, CancelCame{m.batch}); },
                 [&](const auto&) { feed(giver, GiverLost{}); },  // what only a taker says
             },
             received.message);
}

OfferCame HandoffTaking::look_at(Giver& giver, Offer offer, std::vector<UniqueFd> fds) {
  OfferCame came{offer.batch, {}, 0};
  const std::size_t most = draining_ ? 0 : room();
  giver.generation = offer.generation;
  if (giver.machine.state == HandoffTaker::State::Waiting) giver.held.clear();
  for (std::size_t i = 0; i < offer.connections.size(); ++i) {
    if (came.acceptable.size() >= most || !sink_.takes(offer.connections[i])) continue;
    came.acceptable.push_back(static_cast<std::uint32_t>(i));
    giver.held.push_back({std::move(fds[i]), std::move(offer.connections[i])});
  }
  came.credit = most - came.acceptable.size();
  return came;
}

void HandoffTaking::feed(Giver& giver, const TakerEvent& event) {
  const auto [next, actions] = step(giver.machine, event);
  giver.machine = next;
  for (const TakerAction& action : actions) {
    std::visit(overloaded{
                   [&](const SendAnswer& send) { giver.link->send(send.answer); },
                   [&](const Adopt&) {
                     for (Held& each : std::exchange(giver.held, {})) {
                       sink_.take_over(std::move(each.fd), std::move(each.connection),
                                       giver.generation);
                     }
                   },
                   // Not by shutdown(2): the connections are their giver's.
                   [&](const DropHeld&) { giver.held.clear(); },
                   [&](const LeaveGiver&) { giver.link.reset(); },
               },
               action);
  }
  settle_soon();
}

// Later, because the link that called may be among those that are over.
void HandoffTaking::settle_soon() {
  if (std::exchange(settle_posted_, true)) return;
  loop_.post([this] {
    settle_posted_ = false;
    std::erase_if(givers_, [](const auto& giver) {
      return giver->machine.state == HandoffTaker::State::Closed;
    });
    if (draining_ && held() == 0) on_settled_();
  });
}

void HandoffTaking::begin_drain() {
  if (std::exchange(draining_, true)) return;
  for (const auto& giver : givers_) feed(*giver, DrainBegan{});
}

void HandoffTaking::end() {
  begin_drain();
  for (const auto& giver : givers_) {
    if (giver->link) giver->link->read_the_rest();
    feed(*giver, GiverLost{});
  }
}

}  // namespace holdfast::worker
