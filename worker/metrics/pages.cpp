#include "worker/metrics/pages.hpp"

#include "shared/core/json_fields.hpp"
#include "shared/core/prometheus_text.hpp"

namespace holdfast::metrics {
namespace {

Page plain(int status, std::string_view text) {
  Page page{.status = status, .body = std::string(text)};
  page.body += '\n';
  return page;
}

}  // namespace

Page metrics_page(const std::string* status_json) {
  if (status_json == nullptr) return plain(503, kNoAnswer);
  auto text = prometheus_text(*status_json);
  if (!text) return plain(503, text.error().message);
  return {200, kPrometheusType, std::move(*text)};
}

Page live_page(const std::string* status_json) {
  return status_json == nullptr ? plain(503, kNoAnswer) : plain(200, "ok");
}

Page ready_page(const std::string* status_json) {
  if (status_json == nullptr) return plain(503, kNoAnswer);
  const auto status = nlohmann::json::parse(*status_json, nullptr, /*allow_exceptions=*/false);
  const std::string state = json_text(status, "state");
  if (state != "serving" && state != "reloading")
    return plain(503, "not ready: " + (state.empty() ? std::string("unknown") : state));
  if (json_count(status, "accepting_workers") == 0)
    return plain(503, "not ready: no worker accepts");
  if (json_text(status, "health") == "degraded")
    return plain(200, "ready, degraded: " + json_text(status, "reason"));
  return plain(200, "ready");
}

}  // namespace holdfast::metrics
