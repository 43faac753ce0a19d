// The connections of a run that share options, a request factory and counters.
#pragma once

#include "tests/support/load_client.hpp"
#include "tests/support/load_client_request.hpp"

namespace holdfast::testing {

struct Group {
  Group(const GroupOptions& group_options, const std::string& host)
      : options(group_options), factory(options, host) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  bool holds() const { return options.mode == Mode::HalfHead || options.mode == Mode::Preconnect; }
  bool may_issue() const {
    return !stopped && (options.requests == 0 || issued < options.requests);
  }
  // Requests on one connection; 0 = no limit.
  int per_connection() const {
    const Mode mode = options.mode;
    if (mode == Mode::New || mode == Mode::Preconnect || mode == Mode::Raw) return 1;
    return options.per_connection;
  }

  const GroupOptions options;
  const RequestFactory factory;
  GroupResult result;
  std::uint64_t issued = 0;
  bool stopped = false;  // refused after expect_stop()
};

}  // namespace holdfast::testing
