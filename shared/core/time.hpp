// Time as the cores see it: an argument. Only io folders read a clock.
#pragma once

#include <chrono>

namespace holdfast {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC on Linux
using TimePoint = Clock::time_point;
using Millis = std::chrono::milliseconds;

}  // namespace holdfast
