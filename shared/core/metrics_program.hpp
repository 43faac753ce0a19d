// What `holdfast run --metrics` and the holdfast-metrics that it starts agree on.
#pragma once

namespace holdfast {

inline constexpr const char* kMetricsProgram = "holdfast-metrics";  // beside the supervisor's own
inline constexpr int kMetricsListenerFd = 3;
// One end of a stream socketpair that speaks the control socket's protocol, and may only read.
inline constexpr int kMetricsStatusFd = 4;

}  // namespace holdfast
