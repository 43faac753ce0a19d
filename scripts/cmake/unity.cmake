option(HOLDFAST_UNITY "Compile a library's files in groups, for builds that nobody keeps; file-local names must be unique in it" OFF)

# Half of the time of a sanitizer build goes into the same headers and templates, again for each file. Not for what users
# run: there each file proves that it includes what it uses.
function(holdfast_unity)
  if(HOLDFAST_UNITY)
    set_target_properties(${ARGN} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()
