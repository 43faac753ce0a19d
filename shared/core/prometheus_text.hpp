// The metrics of a service in Prometheus' text format 0.0.4, from what its supervisor says of it
// (docs/status.md): `holdfast metrics` prints it and holdfast-metrics serves it. docs/metrics.md
// has a line for each metric.
#pragma once

#include <string>
#include <string_view>

#include "shared/core/result.hpp"

namespace holdfast {

inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

// Fields that are absent count as 0 and unknown ones are skipped: the two ends may be of different
// versions. Fails when it is not a JSON object.
Result<std::string> prometheus_text(std::string_view status_json);

}  // namespace holdfast
