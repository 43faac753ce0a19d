if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND HOLDFAST_SANITIZE MATCHES "undefined")
    # Clang 14 cannot emit the check's prologue for a coroutine ("difference across sections").
    add_compile_options(-fno-sanitize=function)
  endif()
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
endif()

# For what only looks at the sanitized programs from outside, clients and judges: it compiles in half the time. Thread
# sanitizer needs to see all of a process.
function(holdfast_not_sanitized)
  if(HOLDFAST_SANITIZE MATCHES "address")
    foreach(target ${ARGN})
      target_compile_options(${target} PRIVATE -fno-sanitize=all)
    endforeach()
  endif()
endfunction()
