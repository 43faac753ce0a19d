// Patterns and paths of anybody's making: the order of adding never matters, a route that matches
// has all its parameters, and a path that decodes to dots or NUL reaches nobody.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/worker/router.hpp"
#include "tests/fuzz/require.hpp"

using namespace holdfast::worker;

namespace {

// Adds what can be added; the patterns that were.
std::vector<std::string_view> add(Router& router, const std::vector<std::string_view>& patterns) {
  std::vector<std::string_view> added;
  for (const auto pattern : patterns) {
    try {
      router.add("GET", pattern, PlainHandler([](const Request&, ResponseWriter&) {}));
      added.push_back(pattern);
    } catch (const std::invalid_argument&) {
    }
  }
  return added;
}

void check_parameters(const Router& router, std::string_view path, std::string_view pattern) {
  for (std::size_t open = pattern.find('{'); open != std::string_view::npos;
       open = pattern.find('{', open + 1)) {
    std::string_view name = pattern.substr(open + 1, pattern.find('}', open) - open - 1);
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    const std::string value = router.parameter(path, name);
    HOLDFAST_REQUIRE(rest || !value.empty());
    HOLDFAST_REQUIRE(value.find('\0') == std::string::npos && value != "." && value != "..");
    HOLDFAST_REQUIRE(!rest || ("/" + value + "/").find("/../") == std::string::npos);
  }
}

}  // namespace

// Lines: patterns, and behind an empty one paths.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> patterns;
  std::vector<std::string_view> paths;
  bool behind = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) behind = true;
    (behind ? paths : patterns).push_back(line);
  }
  Router forward;
  std::vector<std::string_view> added = add(forward, patterns);
  Router backward;
  HOLDFAST_REQUIRE(add(backward, {added.rbegin(), added.rend()}).size() == added.size());
  for (const auto path : paths) {
    const auto match = forward.match("GET", path);
    const auto other = backward.match("GET", path);
    HOLDFAST_REQUIRE(match.status == other.status && match.pattern == other.pattern);
    HOLDFAST_REQUIRE(forward.match("PUT", path).status != 0);
    if (match.status == 0) check_parameters(forward, path, match.pattern);
  }
  return 0;
}
