// The connection's machine: what a connection may do next, never how. Pure, constexpr, no clock;
// worker/io feeds it events and performs its effects. States follow Go's net/http ConnState, with
// Lingering for one that is half-closed by us. The table for readers is in docs/states.md;
// tests/unit/worker/connection_state_test.cpp walks every pair.
#pragma once

#include <cstdint>

namespace holdfast::worker {

enum class ConnState : std::uint8_t {
  New,        // accepted, nothing read: the peer is owed its first request
  Active,     // a request is in flight: first byte read .. last byte written
  Idle,       // keep-alive, between requests
  Hijacked,   // the handler owns the stream
  Offered,    // another worker was asked to take it: nobody reads or writes it until that is known
  Lingering,  // we sent FIN; what still arrives is read and dropped, so that no RST destroys the
              // last response
  Closed,     // terminal
};

enum class ConnEvent : std::uint8_t {
  BytesArrived,      // first bytes of a request
  ResponseReusable,  // last byte written, and the head allowed another request
  ResponseFinal,     // last byte written, and the head said "Connection: close" (or framing demands
                     // it)
  HijackTaken,
  HijackReleased,
  Quiet,     // answer to Probe: the socket held nothing
  TimedOut,  // the timer of this state
  PeerGone,  // reset, write error, or EOF where no request is in flight
  DrainBegan,
  HandoffBegan,  // a drain in which other workers take the connections
  HandoffEnded,  // nobody takes this one: it leaves as in any other drain
  OfferMade,     // REQUIRES: of a request in flight not more than a part of its head was read
  OfferReturned,
  OfferReleased,  // it is the other worker's now
  DrainExpired,   // the drain's deadline
};

enum class ConnEffect : std::uint8_t {
  None,
  StartGrace,  // arm the timer with the grace of this state: a request that still arrives is served
  Probe,       // look once at the socket; report BytesArrived or Quiet
  HalfClose,   // FIN, then read and drop for a moment
  Close,       // orderly, now
  Abort,       // now; what is in flight is lost and logged as cut or timed out
  TellHijacker,  // run the handler's drain callback
  QueueOffer,    // it may be offered from now on; its timer goes on
  LetGo,         // close our descriptor, and nothing else: the connection lives on elsewhere
};

struct ConnMachine {
  ConnState state = ConnState::New;
  ConnState offered_from = ConnState::New;  // Offered: what it is when it comes back
  bool draining = false;
  bool moving = false;  // draining, towards other workers
  std::uint32_t requests = 0;
  bool operator==(const ConnMachine&) const = default;
};

struct ConnStep {
  ConnMachine next;
  ConnEffect effect = ConnEffect::None;
};

constexpr ConnStep step(ConnMachine c, ConnEvent event) noexcept {
  using enum ConnState;
  const auto go = [&c](ConnState to, ConnEffect effect) {
    c.state = to;
    return ConnStep{c, effect};
  };
  const auto stay = [&c](ConnEffect effect = ConnEffect::None) { return ConnStep{c, effect}; };

  const auto wait = [&] { return c.moving ? ConnEffect::QueueOffer : ConnEffect::StartGrace; };

  if (c.state == Closed) return stay();  // late completions are normal, never an error
  // What is not certainly ours must not be touched; only its offer's end, or the drain's, ends
  // this.
  if (c.state == Offered) {
    switch (event) {
      case ConnEvent::HandoffEnded:
        c.moving = false;
        return stay();
      case ConnEvent::OfferReturned:
        return go(c.offered_from,
                  c.offered_from == Active && !c.moving ? ConnEffect::None : wait());
      case ConnEvent::OfferReleased:
        return go(Closed, ConnEffect::LetGo);
      case ConnEvent::DrainExpired:
        return go(Closed, ConnEffect::Abort);
      default:
        return stay();
    }
  }

  switch (event) {
    case ConnEvent::BytesArrived:
      // Lingering: a handler never runs on a connection already chosen for close.
      if (c.state != New && c.state != Idle) return stay();
      ++c.requests;
      return go(Active, ConnEffect::None);
    case ConnEvent::ResponseReusable:
      if (c.state != Active) return stay();
      // The head went out without "close", so the peer may already have sent another request.
      return go(Idle, c.draining ? wait() : ConnEffect::None);
    case ConnEvent::ResponseFinal:
      return c.state == Active ? go(Lingering, ConnEffect::HalfClose) : stay();
    case ConnEvent::HijackTaken:
      if (c.state != Active) return stay();
      return go(Hijacked, c.draining ? ConnEffect::TellHijacker : ConnEffect::None);
    case ConnEvent::HijackReleased:
      return c.state == Hijacked ? go(Lingering, ConnEffect::HalfClose) : stay();
    case ConnEvent::Quiet:
      return c.state == New || c.state == Idle ? go(Lingering, ConnEffect::HalfClose) : stay();
    case ConnEvent::TimedOut:
      if (c.state == New || c.state == Idle) return stay(ConnEffect::Probe);
      if (c.state == Hijacked) return stay();  // the handler keeps its own time
      return go(Closed, c.state == Active ? ConnEffect::Abort : ConnEffect::Close);
    case ConnEvent::PeerGone:
      return go(Closed, ConnEffect::Close);
    case ConnEvent::DrainBegan:
      if (c.draining) return stay();
      c.draining = true;
      if (c.state == New || c.state == Idle) return stay(ConnEffect::StartGrace);
      if (c.state == Hijacked) return stay(ConnEffect::TellHijacker);
      return stay();  // Active finishes, and its head says close; Lingering is already leaving
    case ConnEvent::HandoffBegan:
      if (c.draining) return stay();
      c.draining = true;
      if (c.state == Hijacked) return stay(ConnEffect::TellHijacker);
      if (c.state == Lingering) return stay();
      c.moving = true;
      // Active: perhaps only a part of its head was read.
      return stay(ConnEffect::QueueOffer);
    case ConnEvent::HandoffEnded:
      if (!c.moving) return stay();
      c.moving = false;
      return stay(c.state == New || c.state == Idle ? ConnEffect::StartGrace : ConnEffect::None);
    case ConnEvent::OfferMade:
      if (!c.moving || (c.state != New && c.state != Idle && c.state != Active)) return stay();
      c.offered_from = c.state;
      return go(Offered, ConnEffect::None);
    case ConnEvent::OfferReturned:
    case ConnEvent::OfferReleased:
      return stay();
    case ConnEvent::DrainExpired:
      return go(Closed, c.state == Lingering ? ConnEffect::Close : ConnEffect::Abort);
  }
  return stay();
}

// True when the response head must carry "Connection: close".
constexpr bool must_say_close(const ConnMachine& c, bool peer_wants_close) noexcept {
  return (c.draining && !c.moving) || peer_wants_close;
}

static_assert(step({.state = ConnState::Idle}, ConnEvent::DrainBegan).effect ==
              ConnEffect::StartGrace);

}  // namespace holdfast::worker
