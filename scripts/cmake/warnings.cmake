# Every target of ours links holdfast_warnings privately; third-party headers are SYSTEM.
add_library(holdfast_warnings INTERFACE)
target_compile_options(holdfast_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wcast-qual
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>
  $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  -Wnull-dereference -Wformat=2 -Wimplicit-fallthrough
  # Designated initializers leave out defaulted members on purpose.
  -Wno-missing-field-initializers
  $<$<BOOL:${HOLDFAST_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives from inlined standard library code at -O2 (GCC bugs 105329, 105651).
  target_compile_options(holdfast_warnings INTERFACE -Wno-restrict -Wno-null-dereference)
endif()
