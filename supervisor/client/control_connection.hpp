// A client's end of the control socket. Every wait has a deadline, or an end that the kernel tells.
#pragma once

#include <optional>
#include <string>
#include <sys/types.h>

#include <nlohmann/json.hpp>

#include "shared/core/result.hpp"
#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"
#include "supervisor/client/client_options.hpp"
#include "supervisor/client/failure.hpp"
#include "supervisor/core/operator_message.hpp"

namespace holdfast::supervisor {

// A supervisor that lives answers in microseconds; one that is stopped (SIGSTOP) never does.
inline constexpr Millis kReplyWithin{10'000};

struct Reply {
  nlohmann::json json;
  std::string line;  // with its fields in their order
};
using Answer = boost::system::result<Reply, Failure>;

class ControlConnection {
 public:
  // Fails with errno in Error::code.
  static Result<ControlConnection> open(const Target& target);

  Result<void> ask(const OperatorRequest& request);

  struct Heard {
    enum class Kind : std::uint8_t { Line, End, TimedOut, Interrupted };
    Kind kind = Kind::End;
    std::string line;
  };
  // Interrupted: `also` became readable. Without a deadline it waits for as long as both live.
  Heard next(std::optional<TimePoint> deadline, int also = -1);

  // The reply to `request`, of any kind but error.
  Answer reply_to(const OperatorRequest& request, Millis within = kReplyWithin);
  // The same for a line that has come.
  Answer understand(const std::string& line) const;

  // True when the supervisor's process has ended; false at the deadline, or when `also` is
  // readable.
  bool wait_for_its_end(std::optional<TimePoint> deadline);

 private:
  ControlConnection(UniqueFd fd, Target target) : fd_(std::move(fd)), target_(std::move(target)) {}

  UniqueFd fd_;
  Target target_;
  std::string buffer_;
};

// For boost::system::result's value(), which nobody here calls on a failure.
[[noreturn]] void throw_exception_from_error(const Failure& failure,
                                             const boost::source_location& where);

}  // namespace holdfast::supervisor
