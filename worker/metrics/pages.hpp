// What holdfast-metrics answers, as a pure function of what the supervisor said: null where it did
// not answer in time.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::metrics {

struct Page {
  int status = 200;
  std::string_view type = "text/plain; charset=utf-8";
  std::string body;
};

using RenderPage = Page (*)(const std::string* status_json);

Page metrics_page(const std::string* status_json);
// The supervisor lives and answers: 200 until the very end of a drain.
Page live_page(const std::string* status_json);
// New clients are welcome: 200 while something accepts and no stop has begun.
Page ready_page(const std::string* status_json);
// For people (status_page.cpp).
Page status_page(const std::string* status_json);

inline constexpr std::string_view kNoAnswer = "the supervisor does not answer";

}  // namespace holdfast::metrics
