// Ids for requests that came without one: 16 random digits for the worker, then 16 that count.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast::worker {

class RequestIds {
 public:
  RequestIds();
  const std::string& next();  // valid until the next call

 private:
  std::string text_;
  std::uint64_t count_ = 0;
};

}  // namespace holdfast::worker
