// An rtt_relay in front of a server, as a process.
#pragma once

#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>

#include "shared/io/unique_fd.hpp"
#include "tests/support/child_process.hpp"

namespace holdfast::testing {

class RelayProcess {
 public:
  RelayProcess(const std::string& target, Millis rtt) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    const UniqueFd said(ends[0]);
    {
      const UniqueFd says(ends[1]);
      process_ = std::make_unique<ChildProcess>(ChildOptions{
          .argv = {RTT_RELAY_PATH, "--target", target, "--rtt", std::to_string(rtt.count()) + "ms"},
          .out = says.get()});
    }
    char text[64];
    const ssize_t n = ::read(said.get(), text, sizeof text);
    if (n > 1) address_ = std::string(text, static_cast<std::size_t>(n - 1));
  }

  const std::string& address() const { return address_; }

 private:
  std::unique_ptr<ChildProcess> process_;
  std::string address_ = "nowhere";
};

}  // namespace holdfast::testing
