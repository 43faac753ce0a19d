# What is installed. The parts stay libraries of their own for the tests; here their objects become one archive, and one
# shared library.
set(worker_objects
  $<TARGET_OBJECTS:holdfast_worker> $<TARGET_OBJECTS:holdfast_http> $<TARGET_OBJECTS:holdfast_shared>)
set(worker_needs Threads::Threads OpenSSL::SSL)

add_library(holdfast_worker_archive STATIC ${worker_objects})
set_target_properties(holdfast_worker_archive PROPERTIES
  OUTPUT_NAME holdfast_worker EXPORT_NAME worker ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib LINKER_LANGUAGE CXX)
target_compile_features(holdfast_worker_archive INTERFACE cxx_std_20)
target_include_directories(holdfast_worker_archive INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_definitions(holdfast_worker_archive INTERFACE HOLDFAST_WORKER_BOOST_VERSION=${Boost_VERSION_MACRO})
target_link_libraries(holdfast_worker_archive INTERFACE Boost::headers ${worker_needs})

if(HOLDFAST_SHARED)
  set(exports ${PROJECT_SOURCE_DIR}/worker/exports.map)
  set_target_properties(holdfast_worker holdfast_http holdfast_shared PROPERTIES POSITION_INDEPENDENT_CODE ON)
  add_library(holdfast_worker_shared SHARED ${worker_objects})
  # The soname's number is the ABI's, not the version's; docs/packaging.md says when it changes.
  set_target_properties(holdfast_worker_shared PROPERTIES
    OUTPUT_NAME holdfast_worker VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME worker_shared
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib LINKER_LANGUAGE CXX
    LINK_DEPENDS ${exports})
  target_compile_features(holdfast_worker_shared INTERFACE cxx_std_20)
  target_include_directories(holdfast_worker_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_definitions(holdfast_worker_shared INTERFACE HOLDFAST_WORKER_SHARED)
  target_link_options(holdfast_worker_shared PRIVATE
    LINKER:--version-script=${exports} LINKER:-z,defs LINKER:--as-needed)
  target_link_libraries(holdfast_worker_shared PRIVATE holdfast_asio ${worker_needs})
endif()
