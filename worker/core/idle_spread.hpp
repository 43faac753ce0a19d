// When a drain lets idle connections go: one after another, because clients that all lose theirs in
// one instant all come back in one. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "shared/core/time.hpp"

namespace holdfast::worker {

class IdleSpread {
 public:
  constexpr IdleSpread() = default;
  // Over at most `longest`, and over a millisecond for each connection where that is less: a small
  // drain stays quick.
  constexpr IdleSpread(Millis longest, std::size_t idle) noexcept
      : places_(static_cast<std::int64_t>(std::max<std::size_t>(idle, 1))),
        window_(std::min(longest, Millis(idle))) {}

  constexpr Millis window() const noexcept { return window_; }

  // What the next connection waits behind its grace: the places are even, from 0 on. Those who
  // come when all places are taken begin anew.
  constexpr Millis next() noexcept {
    const Millis place = window_ * taken_ / places_;
    taken_ = (taken_ + 1) % places_;
    return place;
  }

 private:
  std::int64_t places_ = 1;
  std::int64_t taken_ = 0;
  Millis window_{0};
};

}  // namespace holdfast::worker
