if(HOLDFAST_SANITIZE)
  add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND HOLDFAST_SANITIZE MATCHES "undefined")
    # Clang 14 cannot emit the check's prologue for a coroutine ("difference across sections").
    add_compile_options(-fno-sanitize=function)
  endif()
  add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
endif()
