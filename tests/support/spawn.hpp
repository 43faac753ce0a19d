// fork(2) and execve(2) of a program that ends with the test: a test that dies, of whatever, leaves
// nobody who holds ctest's pipes, a name or a port.
#pragma once

#include <sys/types.h>

#include "tests/support/child_process.hpp"

namespace holdfast::testing {

// Throws std::system_error, as if nothing had been started. REQUIRES: the calling thread outlives
// the program, for the kernel takes the thread's end for that of the test (PR_SET_PDEATHSIG).
pid_t spawn(const ChildOptions& options);

}  // namespace holdfast::testing
