# What `cmake --install` puts where, and what CPack makes of it. docs/packaging.md is the promise.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(HOLDFAST_ASIO_ONCE OR HOLDFAST_SANITIZE)
  install(CODE "message(FATAL_ERROR \"holdfast: cannot install a developer's build: use the preset release or package\")")
  return()
endif()
include(scripts/cmake/library.cmake)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast)
set(doc_dir ${CMAKE_INSTALL_DATADIR}/doc)

# The supervisor.
install(TARGETS holdfast holdfast-metrics DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT supervisor)
foreach(page holdfast.1 holdfast.conf.5 holdfast-protocol.7)
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES docs/man/${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT supervisor)
endforeach()
# Where each shell looks, under the name that it looks for.
if(NOT CMAKE_CROSSCOMPILING)
  foreach(place bash:bash-completion/completions:holdfast zsh:zsh/vendor-completions:_holdfast
      fish:fish/vendor_completions.d:holdfast.fish)
    string(REPLACE ":" ";" place ${place})
    list(GET place 0 shell)
    list(GET place 1 folder)
    list(GET place 2 name)
    install(FILES ${PROJECT_BINARY_DIR}/supervisor/holdfast.${shell} RENAME ${name}
      DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder} COMPONENT supervisor)
  endforeach()
endif()
# Where systemd looks whatever the library folder is called (systemd.unit(5)).
install(FILES scripts/systemd/holdfast@.service scripts/systemd/holdfast@.socket DESTINATION lib/systemd/system
  COMPONENT supervisor)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${doc_dir}/holdfast COMPONENT supervisor)
install(DIRECTORY docs DESTINATION ${doc_dir}/holdfast COMPONENT supervisor PATTERN man EXCLUDE)

# The library: one archive with all of its parts, and the same objects once more as a shared library.
install(TARGETS holdfast_worker_archive EXPORT holdfast
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY worker/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
if(TARGET holdfast_worker_shared)
  install(TARGETS holdfast_worker_shared EXPORT holdfast
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
endif()

install(EXPORT holdfast NAMESPACE holdfast:: FILE holdfast-targets.cmake
  DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(scripts/cmake/holdfast-config.cmake.in holdfast-config.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(holdfast-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/holdfast-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/holdfast-config-version.cmake
  DESTINATION ${package_dir} COMPONENT development)

set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pkgconfig_up /prefix/${pkgconfig_dir} /prefix)
foreach(module holdfast-worker holdfast-worker-shared)
  if(module STREQUAL holdfast-worker OR TARGET holdfast_worker_shared)
    configure_file(scripts/cmake/${module}.pc.in ${module}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${module}.pc DESTINATION ${pkgconfig_dir} COMPONENT development)
  endif()
endforeach()

include(scripts/cmake/deb.cmake)
