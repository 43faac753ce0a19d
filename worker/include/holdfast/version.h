/* The version of these headers; docs/packaging.md says what its parts promise. For C and C++.
   CMake's project() reads the three numbers from here: they are written nowhere else. */
#ifndef HOLDFAST_VERSION_H
#define HOLDFAST_VERSION_H

#define HOLDFAST_VERSION_MAJOR 0
#define HOLDFAST_VERSION_MINOR 1
#define HOLDFAST_VERSION_PATCH 0

/* #if HOLDFAST_VERSION_NUMBER >= 10203: version 1.2.3 or later. */
#define HOLDFAST_VERSION_NUMBER \
  (HOLDFAST_VERSION_MAJOR * 10000 + HOLDFAST_VERSION_MINOR * 100 + HOLDFAST_VERSION_PATCH)

#define HOLDFAST_VERSION_QUOTE(a, b, c) #a "." #b "." #c
#define HOLDFAST_VERSION_JOIN(a, b, c) HOLDFAST_VERSION_QUOTE(a, b, c)
/* "1.2.3" */
#define HOLDFAST_VERSION_STRING \
  HOLDFAST_VERSION_JOIN(HOLDFAST_VERSION_MAJOR, HOLDFAST_VERSION_MINOR, HOLDFAST_VERSION_PATCH)

#endif
