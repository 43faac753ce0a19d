// Where a program under test waits until the test lets it go on, by open(2) of a FIFO for reading.
#pragma once

#include <fcntl.h>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <vector>

#include <gtest/gtest.h>

#include "shared/io/unique_fd.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/supervisor_run.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {

class FifoGate {
 public:
  FifoGate() : path_(files_.file("gate")) {
    if (::mkfifo(path_.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
  }

  const std::string& path() const { return path_; }
  // A worker that starts when the gate is opened.
  std::vector<std::string> demo_behind_it() const {
    return {"/bin/sh", "-c", ": < " + path_ + "; exec " + demo_path()};
  }
  // For one who waits there, or will within the cap. Nothing is written: the reader leaves at once,
  // and that would be SIGPIPE.
  void open() const {
    EXPECT_TRUE(eventually(
        [&] { return bool(UniqueFd(::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC))); },
        kCap))
        << "nobody waits at the gate";
  }

 private:
  TempDir files_;
  std::string path_;
};

}  // namespace holdfast::testing
