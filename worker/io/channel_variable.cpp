#include "worker/io/channel_variable.hpp"

#include <cstdlib>

#include "shared/core/whole_number.hpp"
#include "shared/io/syscall.hpp"

namespace holdfast::worker {
namespace {

constexpr const char* kChannelVariable = "HOLDFAST_CHANNEL_FD";

}  // namespace

Result<UniqueFd> take_channel() {
  const char* text = std::getenv(kChannelVariable);
  if (text == nullptr) return UniqueFd();
  const int fd = whole_number<int>(text).value_or(-1);  // before its text is gone
  ::unsetenv(kChannelVariable);
  if (fd < 0)
    return plain_error("use the control channel", "HOLDFAST_CHANNEL_FD is not a descriptor");
  HOLDFAST_TRY(set_cloexec(fd, true));
  return UniqueFd(fd);
}

}  // namespace holdfast::worker
