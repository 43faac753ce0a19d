find_package(GTest REQUIRED)
include(GoogleTest)

# Compiling most tests takes longer than running them, and half of that goes into optimising what EXPECT expands to.
function(holdfast_not_optimized)
  foreach(target ${ARGN})
    target_compile_options(${target} PRIVATE -O0)
  endforeach()
endfunction()

# holdfast_add_test(NAME SOURCES ... [LIBRARIES ...] LABEL unit|integration|soak [TIMEOUT seconds])
# Unit tests are discovered one by one at test time; an integration binary is one ctest test a TEST as well, so that a
# red light has a name.
function(holdfast_add_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;LIBRARIES;DEPENDS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} holdfast_warnings GTest::gtest GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  holdfast_not_optimized(${name})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()
