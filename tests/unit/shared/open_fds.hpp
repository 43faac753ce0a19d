// What a test needs to see that no descriptor is lost.
#pragma once

#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <iterator>
#include <sys/resource.h>
#include <sys/socket.h>
#include <vector>

#include <gtest/gtest.h>

#include "shared/io/syscall.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

inline std::size_t open_fds() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

inline std::vector<UniqueFd> null_fds(std::size_t count) {
  std::vector<UniqueFd> fds;
  for (std::size_t i = 0; i < count; ++i) fds.push_back(open_file("/dev/null", O_RDONLY).value());
  return fds;
}

// Lets this process open at most `more` further descriptors.
class FdLimit {
 public:
  explicit FdLimit(std::size_t more) {
    ::getrlimit(RLIMIT_NOFILE, &old_);
    // The lowest free number, as open(2) gives; those above it are free too unless a test leaks.
    const std::vector<UniqueFd> probe = null_fds(more + 1);
    rlimit low = old_;
    low.rlim_cur = static_cast<rlim_t>(probe.back().get());
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  }
  FdLimit(const FdLimit&) = delete;
  FdLimit& operator=(const FdLimit&) = delete;
  ~FdLimit() { ::setrlimit(RLIMIT_NOFILE, &old_); }

 private:
  rlimit old_{};
};

}  // namespace holdfast
