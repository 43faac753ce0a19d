# Debian packages by CPack: `cpack` in a build of preset package, or scripts/package.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "the holdfast authors <holdfast@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/scripts/cmake/strip_archive.cmake)
set(CPACK_COMPONENTS_ALL supervisor library development)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)

set(CPACK_DEBIAN_SUPERVISOR_PACKAGE_NAME holdfast)
set(CPACK_DEBIAN_SUPERVISOR_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_SUPERVISOR_DESCRIPTION "graceful-restart process supervisor
Holds the listening sockets of a service and replaces its worker processes
without a client noticing.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libholdfast-worker0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "HTTP worker library of holdfast (shared library)
For programs that were built against holdfast/worker.h or the C++ interface
without Asio.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libholdfast-worker-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
# Boost for asio.hpp, OpenSSL for linking the archive.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libholdfast-worker0 (= ${PROJECT_VERSION}), libboost1.81-dev, libssl-dev")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS holdfast)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "HTTP worker library of holdfast (development files)
Headers, the static library, and what CMake and pkg-config need to find them.")

if(CMAKE_INSTALL_PREFIX STREQUAL /usr)
  foreach(component supervisor library development)
    string(TOUPPER ${component} key)
    install(FILES LICENSE DESTINATION ${doc_dir}/${CPACK_DEBIAN_${key}_PACKAGE_NAME} RENAME copyright
      COMPONENT ${component})
  endforeach()
endif()
include(CPack)
