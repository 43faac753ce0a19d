// What the handoff wants of the event loop it lives in: Server's is an io_context, Worker's is
// whoever calls dispatch(). One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "shared/core/time.hpp"

namespace holdfast::worker {

class HandoffLoop {
 public:
  // Ends with it; from inside its own call too.
  class Watch {
   public:
    virtual ~Watch() = default;
  };

  virtual ~HandoffLoop() = default;
  virtual TimePoint now() const = 0;
  virtual void post(std::function<void()> call) = 0;  // not from inside this call
  // `readable` is called again and again as long as the descriptor is.
  virtual std::unique_ptr<Watch> watch(int fd, std::function<void()> readable) = 0;
  // Instead of an earlier one; nothing: none.
  virtual void call_at(std::optional<TimePoint> at, std::function<void()> call) = 0;
};

}  // namespace holdfast::worker
