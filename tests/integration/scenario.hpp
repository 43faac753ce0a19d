// What several integration tests share: the mix of clients of promise 1, and the audit that follows
// every run: no request failed, every request has its one line, nothing is left behind.
#pragma once

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/load_client.hpp"
#include "tests/support/supervisor_run.hpp"

namespace holdfast::testing {

// The short form in CI; the long one where the variable says so.
inline int rounds(const char* variable, int in_ci) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : in_ci;
}

// Clients of every kind that must not notice a reload. Each request carries an id.
LoadOptions mixed_load(const std::string& address);
// As above, without those that hold a connection or a request for long: for stops.
LoadOptions brisk_load(const std::string& address);

// No failure of any class; the message says which there were.
void expect_no_failure(const LoadResult& result);
// A line for each request that was begun, none twice, none for anything else, all of them JSON.
void expect_all_logged(const AccessLog& log, const LoadResult& result);
// TERM, exit 0, nothing cut, nobody killed but `deaf` workers that ignore TERM, every drained one
// left with 0, nobody left.
void expect_clean_stop(SupervisorRun& run, int deaf = 0);

// Clients that wait in the queue when TERM comes are answered before the listeners go. REQUIRES:
// one worker, which answers "Hello, world!".
void expect_queue_answered_at_stop(SupervisorRun& run, int clients);

// A worker that drains beside a new generation must not wake for connections that it no longer
// accepts: epoll reports a listener that it has closed and another process still holds, unless it
// was taken out of the set first (epoll(7), Q6). REQUIRES: `old_pid` drains for as long as 2,000
// requests take.
void expect_sleeps_while_others_accept(SupervisorRun& run, pid_t old_pid);

}  // namespace holdfast::testing
