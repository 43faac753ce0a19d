// What somebody who mistyped a word may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast::supervisor {

// The candidate with the fewest edits (letters added, dropped, changed, or swapped with their
// neighbour), the first one of several; empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// `; did you mean "ready_timeout"?`, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace holdfast::supervisor
