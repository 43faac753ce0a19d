// An assert that release builds keep: a broken promise must end the process for the engine to see.
#pragma once

#include <cstdio>
#include <cstdlib>

#define HOLDFAST_REQUIRE(condition)                                                      \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
