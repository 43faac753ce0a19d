#include "worker/io/handoff_giving.hpp"

#include <algorithm>

#include "shared/core/overloaded.hpp"
#include "worker/core/handoff_share.hpp"
#include "worker/io/supervised.hpp"

namespace holdfast::worker {
namespace {

// A worker that lives answers in well under a millisecond; meanwhile nobody serves what was
// offered.
constexpr Millis kAnswersWithin{2'000};
// When all takers leave because a still newer generation has come, that one is introduced at the
// same time, by another channel.
constexpr Millis kNewTakerWithin{1'000};
// After so many offers that came to nothing a connection leaves as in any other drain.
constexpr std::uint8_t kMostOffers = 3;

}  // namespace

HandoffGiving::HandoffGiving(HandoffLoop& loop, HandoffSource& source)
    : loop_(loop), source_(source) {
  source_.hand_off_by(this);
}

HandoffGiving::~HandoffGiving() {
  source_.hand_off_by(nullptr);
  loop_.call_at(std::nullopt, nullptr);
}

void HandoffGiving::add(WorkerId taker, UniqueFd link) {
  alone_until_.reset();
  peers_.push_back(std::make_unique<Peer>());
  Peer& peer = *peers_.back();
  peer.worker = taker;
  peer.deadline = loop_.now() + kAnswersWithin;
  peer.link.emplace(loop_, std::move(link),
                    PeerLink::Callbacks{[this, &peer](PeerLink::Received received) {
                                          feed(peer, PeerSaid{std::move(received.message)});
                                        },
                                        [this, &peer] { feed(peer, PeerLost{}); }});
  arm();
}

// The queue
// ----------------------------------------------------------------------------------------------

void HandoffGiving::queue(HandoffItem& item) {
  if (item.queue_place != 0) return;
  item.queue_place = first_place_ + queue_.size();
  queue_.push_back(&item);
  ++waiting_;
  pump_soon();
}

void HandoffGiving::forget(HandoffItem& item) {
  const std::size_t place = std::exchange(item.queue_place, 0);
  if (place == 0) return;
  queue_[place - first_place_] = nullptr;
  --waiting_;
}

HandoffItem* HandoffGiving::next_waiting() {
  while (!queue_.empty()) {
    HandoffItem* item = queue_.front();
    queue_.pop_front();
    ++first_place_;
    if (item == nullptr) continue;
    item->queue_place = 0;
    --waiting_;
    return item;
  }
  return nullptr;
}

void HandoffGiving::pump_soon() {
  if (std::exchange(pump_posted_, true)) return;
  loop_.post([this] {
    pump_posted_ = false;
    pump();
  });
}

void HandoffGiving::pump() {
  retire_closed();  // shares are of those that are left
  std::size_t given = 0;
  for (const auto& peer : peers_) given += peer->given;
  for (const auto& peer : peers_) {
    if (peer->machine.state != HandoffGiver::State::Ready) continue;
    const std::size_t most =
        next_offer(waiting_, peer->given, given, peers_.size(), peer->machine.credit);
    if (most != 0) offer(*peer, most);
  }
}

bool HandoffGiving::offer_now(HandoffItem& item) {
  Peer* least = nullptr;
  for (const auto& peer : peers_) {
    if (peer->machine.state != HandoffGiver::State::Ready) continue;
    if (least == nullptr || peer->given < least->given) least = peer.get();
  }
  if (least == nullptr) return false;
  forget(item);
  if (!offer(*least, 1, &item)) return false;
  pump_soon();  // where the kernel refused it, somebody else may take it
  return true;
}

// Offers
// ----------------------------------------------------------------------------------------------

bool HandoffGiving::offer(Peer& peer, std::size_t most, HandoffItem* first) {
  Offer message{peer.machine.batch + 1, source_.generation(), {}};
  std::vector<int> fds;
  std::size_t size = 0;
  while (message.connections.size() < most && size < kMaxOfferBytes) {
    HandoffItem* next = first != nullptr ? std::exchange(first, nullptr) : next_waiting();
    if (next == nullptr) break;
    auto offering = source_.begin_offer(*next);
    if (!offering) continue;  // it serves a request again; when that is done it is queued anew
    size += encoded_size(offering->carried);
    fds.push_back(offering->fd);
    peer.offer.push_back({next, offering->deadline});
    message.connections.push_back(std::move(offering->carried));
  }
  if (peer.offer.empty()) return false;
  counts_.sent += peer.offer.size();
  peer.deadline = loop_.now() + kAnswersWithin;
  const bool sent = peer.link->send(message, fds);
  feed(peer, OfferSent{static_cast<std::uint32_t>(peer.offer.size())});
  if (!sent) feed(peer, OfferNotSent{});
  arm();
  return true;
}

void HandoffGiving::feed(Peer& peer, const GiverEvent& event) {
  auto [next, actions] = step(std::move(peer.machine), event);
  peer.machine = std::move(next);
  const std::vector<Offered> offer = peer.offer;
  const bool over = peer.machine.state != HandoffGiver::State::Offered &&
                    peer.machine.state != HandoffGiver::State::Releasing;
  if (over) peer.offer.clear();
  std::vector<Offered> kept;
  bool release = false;
  for (const GiverAction& action : actions) {
    std::visit(overloaded{
                   [&](const SendRelease&) { release = true; },
                   [&](const SendCancel&) { peer.link->send(CancelOffer{peer.machine.batch}); },
                   [&](const KeepConnection& keep) { kept.push_back(offer[keep.place]); },
                   [&](const LetGo& let) {
                     ++counts_.taken;
                     ++peer.given;
                     source_.let_go(*offer[let.place].item);
                   },
                   [&](const LeavePeer& why) { leave(peer, why.cause); },
               },
               action);
  }
  for (const Offered& each : kept) keep(each);
  if (release) {
    const bool sent = peer.link->send(ReleaseOffer{peer.machine.batch});
    return feed(peer, sent ? GiverEvent(ReleaseSent{}) : GiverEvent(ReleaseNotSent{}));
  }
  pump_soon();
}

void HandoffGiving::keep(const Offered& offered) {
  ++counts_.returned;
  const bool again = ++offered.item->offers < kMostOffers;
  source_.take_back(*offered.item, offered.deadline, again);
}

void HandoffGiving::leave(Peer& peer, const char* cause) {
  if (cause != nullptr) {
    report("cannot hand connections to worker " + std::to_string(peer.worker.value) + ": " + cause);
  }
  peer.link.reset();
}

// Not inside a callback of one of them.
void HandoffGiving::retire_closed() {
  if (peers_.empty()) return;
  std::erase_if(peers_, [](const auto& peer) { return !peer->machine.open(); });
  if (peers_.empty()) alone_until_ = loop_.now() + kNewTakerWithin;
  arm();
}

void HandoffGiving::recall() {
  for (const auto& peer : peers_) feed(*peer, Recalled{});
  peers_.clear();
  alone_until_.reset();
  arm();
}

// Deadlines
// ----------------------------------------------------------------------------------------------

void HandoffGiving::strike() {
  for (const auto& peer : peers_) {
    if (peer->deadline <= loop_.now()) feed(*peer, AnswerIsLate{});
  }
  if (alone_until_ && *alone_until_ <= loop_.now()) {
    alone_until_.reset();
    source_.stop_moving();
  }
  retire_closed();
}

void HandoffGiving::arm() {
  std::optional<TimePoint> next = alone_until_;
  for (const auto& peer : peers_) {
    const auto state = peer->machine.state;
    if (state != HandoffGiver::State::Opening && state != HandoffGiver::State::Offered) continue;
    next = next ? std::min(*next, peer->deadline) : peer->deadline;
  }
  loop_.call_at(next, [this] { strike(); });
}

}  // namespace holdfast::worker
