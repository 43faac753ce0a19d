// How many connections the next offer to a peer holds, so that the takers end up with equal shares.
#pragma once

#include <algorithm>
#include <cstddef>

#include "worker/core/handoff_message.hpp"

namespace holdfast::worker {

// `waiting`: connections that wait for a taker; `given`: those that this peer has had;
// `given_by_all` those that all the live ones have; `live`: peers that take, or have not said yet
// whether they do.
constexpr std::size_t next_offer(std::size_t waiting, std::size_t given, std::size_t given_by_all,
                                 std::size_t live, std::size_t credit) {
  if (live == 0) return 0;
  const std::size_t share = (given_by_all + waiting + live - 1) / live;
  return std::min({waiting, share - std::min(share, given), credit, kMaxOfferConnections});
}

}  // namespace holdfast::worker
