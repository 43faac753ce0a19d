// What the demo's command line says.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "holdfast/worker/options.hpp"

namespace holdfast::demo {

struct DemoOptions {
  worker::Options server;                     // --listen, --access-log when run alone
  std::chrono::milliseconds ready_delay{0};   // --ready-delay D: ready that much later
  std::optional<int> fail_start;              // --fail-start CODE: exits before ready
  std::chrono::milliseconds crash_after{-1};  // --crash-after D: aborts that long after it accepts
  std::chrono::milliseconds answer_500_after{
      -1};            // --answer-500-after D: from then on every answer is a 500
  std::string files;  // --files DIR: served under /files/
  std::chrono::milliseconds ws_grace{1000};  // --ws-grace D: a WebSocket's, once the drain begins
};

// Nothing after a usage error, which it has printed.
std::optional<DemoOptions> parse_options(int argc, char** argv);

// "500ms", "20s", "1.5s", "2m": nothing if it is not a duration.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace holdfast::demo
