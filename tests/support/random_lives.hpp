// Over how many random lives a machine's laws are tried. The sanitizers look for other mistakes
// than those of logic, at ten times the cost: under them a twentieth is enough.
#pragma once

namespace holdfast {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HOLDFAST_FEWER_LIVES
#endif
#endif

#ifdef HOLDFAST_FEWER_LIVES
inline constexpr int kRandomLives = 5'000;
#else
inline constexpr int kRandomLives = 100'000;
#endif

}  // namespace holdfast
