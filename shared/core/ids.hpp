// Strong integers for the things that have numbers. They print as numbers and never mix: a worker's
// number cannot be passed where a generation's is meant. 0 is "none" (a worker that runs alone is
// generation 0, worker 0).
#pragma once

#include <compare>
#include <cstdint>
#include <ostream>

namespace holdfast {

template <typename Tag>
struct Id {
  std::uint64_t value = 0;

  constexpr auto operator<=>(const Id&) const =
      default;  // NOLINT(modernize-use-nullptr): its own 0
  constexpr Id next() const noexcept { return {value + 1}; }
  friend std::ostream& operator<<(std::ostream& out, Id id) { return out << id.value; }
};

using GenerationId = Id<struct GenerationTag>;  // from 1; a failed generation consumes its number
using WorkerId = Id<struct WorkerTag>;          // from 1; never reused within one supervisor
using ListenerId = Id<struct ListenerTag>;      // index into the table of listeners

}  // namespace holdfast
