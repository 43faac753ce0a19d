#include "worker/io/request_ids.hpp"

#include <random>

#include "worker/core/hex.hpp"

namespace holdfast::worker {

RequestIds::RequestIds() : text_(32, '0') {
  std::random_device seed;
  write_hex(text_.data(), (static_cast<std::uint64_t>(seed()) << 32) | seed());
}

const std::string& RequestIds::next() {
  write_hex(text_.data() + 16, ++count_);
  return text_;
}

}  // namespace holdfast::worker
