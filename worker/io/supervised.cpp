#include "worker/io/supervised.hpp"

#include <unistd.h>

#include "holdfast/version.h"
#include "shared/core/overloaded.hpp"
#include "shared/io/syscall.hpp"

namespace holdfast::worker {

Hello our_hello(bool handoff) {
  Hello hello{
      kProtocol, static_cast<int>(::getpid()), "holdfast_worker " HOLDFAST_VERSION_STRING, {}};
  if (handoff) hello.handoff = kHandoffRecords;
  return hello;
}

std::optional<WorkerEvent> order_in(const ControlMessage& message) {
  using Order = std::optional<WorkerEvent>;
  return std::visit(
      overloaded{
          [](const Accept&) -> Order { return AcceptTold{}; },
          [](const Pause& m) -> Order { return PauseTold{m.except}; },
          [](const Drain& m) -> Order {
            return DrainTold{m.reason, m.stop_timeout, m.idle, m.stop_timeout_max, m.last_of};
          },
          [](const LameDuck&) -> Order { return LameDuckTold{}; },
          [](const CloseListeners& m) -> Order { return CloseListenersTold{m.given_back}; },
          [](const auto&) -> Order { return std::nullopt; },
      },
      message);
}

void report_torn(const ControlMessage& message) {
  report("cannot take the descriptors of the message \"" + std::string(type_name(message)) +
         "\": the limit of open files is too low");
}

void report(std::string_view message) {
  write_fully(STDERR_FILENO, "holdfast: " + std::string(message) + "\n");
}

}  // namespace holdfast::worker
