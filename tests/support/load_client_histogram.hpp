// Counts of durations in logarithmic buckets, 128 to a power of two (below 0.8 % error), from 1 ns
// to about 18 minutes. A plain value: merge() adds another one.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <vector>

namespace holdfast::testing {

class Histogram {
 public:
  void record(std::chrono::nanoseconds value) {
    const std::uint64_t ns = value.count() > 0 ? static_cast<std::uint64_t>(value.count()) : 0;
    if (counts_.empty()) counts_.resize(kBuckets);
    ++counts_[bucket_of(ns)];
    ++total_;
    if (ns > max_) max_ = ns;
  }

  void merge(const Histogram& other) {
    if (other.total_ == 0) return;
    if (counts_.empty()) counts_.resize(kBuckets);
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    if (other.max_ > max_) max_ = other.max_;
  }

  std::uint64_t count() const { return total_; }
  std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_); }

  // The smallest recorded value that `share` (0..1) of all do not exceed; 0 when empty.
  std::chrono::nanoseconds percentile(double share) const {
    if (total_ == 0) return {};
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(total_ - 1)) + 1;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::chrono::nanoseconds(std::min(upper_bound(i), max_));
    }
    return max();
  }

 private:
  static constexpr unsigned kSubBits = 7;
  static constexpr std::uint64_t kSub = 1U << kSubBits;
  static constexpr unsigned kPowers = 34;
  static constexpr std::size_t kBuckets = kSub * kPowers;

  static std::size_t bucket_of(std::uint64_t ns) {
    if (ns < kSub) return ns;
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kSubBits;
    const std::size_t bucket = (shift + 1) * kSub + ((ns >> shift) - kSub);
    return std::min(bucket, kBuckets - 1);
  }

  static std::uint64_t upper_bound(std::size_t bucket) {
    if (bucket < kSub) return bucket;
    const std::uint64_t shift = bucket / kSub - 1;
    return ((kSub + bucket % kSub + 1) << shift) - 1;
  }

  std::vector<std::uint64_t> counts_;  // empty until the first record
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace holdfast::testing
