#include "worker/io/channel_variable.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "shared/io/syscall.hpp"

namespace holdfast::worker {
namespace {

constexpr const char* kChannelVariable = "HOLDFAST_CHANNEL_FD";

}  // namespace

Result<UniqueFd> take_channel() {
  const char* text = std::getenv(kChannelVariable);
  if (text == nullptr) return UniqueFd();
  int fd = -1;
  const auto [end, failed] = std::from_chars(text, text + std::strlen(text), fd);
  const bool number = failed == std::errc{} && *end == '\0' && fd >= 0;
  ::unsetenv(kChannelVariable);
  if (!number)
    return plain_error("use the control channel", "HOLDFAST_CHANNEL_FD is not a descriptor");
  HOLDFAST_TRY(set_cloexec(fd, true));
  return UniqueFd(fd);
}

}  // namespace holdfast::worker
