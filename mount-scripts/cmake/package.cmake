# What `cmake --install` puts where, and the packages that `cpack -G DEB` and `cpack -G RPM` make of it: `shardfs`, the
# program and all that runs it, and, unless the program is linked statically for other machines than this one,
# `shardfs-dev`, the core library. Included by the top CMakeLists.txt, after all targets.

# Debian's place for libraries, which CMake would choose for the prefix /usr only; packages have another prefix than the
# build.
if(NOT DEFINED CMAKE_INSTALL_LIBDIR AND EXISTS /etc/debian_version AND CMAKE_LIBRARY_ARCHITECTURE)
  set(CMAKE_INSTALL_LIBDIR lib/${CMAKE_LIBRARY_ARCHITECTURE} CACHE PATH "Object code libraries")
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(scripts ${PROJECT_SOURCE_DIR}/mount-scripts)
set(generated ${PROJECT_BINARY_DIR}/install)

# ---- shardfs: the program ----

# mount(8) finds the mount helper by its name in /sbin.
file(MAKE_DIRECTORY ${generated})
foreach(helper mount.shardfs mount.fuse.shardfs)  # the second for the type that /proc/mounts shows
  file(CREATE_LINK ../bin/shardfs ${generated}/${helper} SYMBOLIC)
endforeach()
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME shardfs)
install(TARGETS shardfs)
install(FILES ${generated}/mount.shardfs ${generated}/mount.fuse.shardfs DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(PROGRAMS ${scripts}/shardfs-tmpfs DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(PROGRAMS ${scripts}/shardfs-materialize-node DESTINATION ${CMAKE_INSTALL_BINDIR})
install(PROGRAMS ${scripts}/container-mount DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/shardfs)
install(PROGRAMS ${scripts}/mindspore/auto_trans_ckpt.py ${scripts}/mindspore/transform_checkpoint.py
                 ${scripts}/mindspore/transform_checkpoint.sh ${scripts}/mindspore/transform_ckpt_lora.py
                 ${scripts}/mindspore/unified_safetensors.py
        DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/shardfs/mindspore)
install(FILES ${scripts}/mindspore/shardfs_mindspore.py DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/shardfs/mindspore)
install(FILES ${scripts}/systemd/shardfs@.service ${scripts}/systemd/shardfs-tmpfs@.service
        DESTINATION lib/systemd/system)
install(FILES ${scripts}/completions/shardfs.bash RENAME shardfs
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${scripts}/completions/shardfs.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${scripts}/completions/_shardfs DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs)
# What it is, and what it does not do.
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/README.zh.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs)
install(DIRECTORY ${scripts}/kubernetes ${scripts}/monitoring ${scripts}/slurm
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs/examples)
install(FILES ${scripts}/mindie/README.md ${scripts}/mindie/README.zh.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs/mindie)
install(FILES ${scripts}/mindspore/README.md ${scripts}/mindspore/README.zh.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs/mindspore)
install(FILES ${scripts}/ascend-deepseek-moe/README.md ${scripts}/ascend-deepseek-moe/README.zh.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs/ascend-deepseek-moe)
install(FILES ${scripts}/vllm/README.md ${scripts}/vllm/README.zh.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs/vllm)
install(FILES ${scripts}/systemd/example.conf DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs/examples)

# The configuration of what is installed to /usr is in /etc, as logrotate wants it.
file(COPY_FILE ${scripts}/logrotate.conf ${generated}/shardfs ONLY_IF_DIFFERENT)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${scripts}/logrotate.conf)
install(CODE "set(logrotate \"${generated}/shardfs\")" COMPONENT shardfs)
install(CODE [[
  cmake_path(GET CMAKE_INSTALL_PREFIX FILENAME last)
  set(configuration "${CMAKE_INSTALL_PREFIX}/etc")
  if(last STREQUAL usr)
    cmake_path(GET CMAKE_INSTALL_PREFIX PARENT_PATH root)
    cmake_path(APPEND root etc OUTPUT_VARIABLE configuration)
  endif()
  file(INSTALL "${logrotate}" DESTINATION "${configuration}/logrotate.d")
]] COMPONENT shardfs)
if(SHARDFS_STATIC)  # the licences of what is in the program ask for a copy of themselves
  foreach(library libc6-dev libcli11-dev libfmt-dev libfuse3-dev libprotobuf-dev libspdlog-dev libssl-dev libstdc++6
                  libtbb-dev libxxhash-dev nlohmann-json3-dev zlib1g-dev)
    install(FILES /usr/share/doc/${library}/copyright RENAME ${library}
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs/libraries)
  endforeach()
endif()
file(WRITE ${generated}/conffiles "/etc/logrotate.d/shardfs\n")

# Man pages, which the program is asked for a part of (man-pages.cmake).
set(man_source ${PROJECT_SOURCE_DIR}/src/cli/man)
file(GLOB man_pages CONFIGURE_DEPENDS ${man_source}/*.[18])
add_custom_command(
  OUTPUT ${generated}/man/made
  COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:shardfs> -DEMULATOR=${CMAKE_CROSSCOMPILING_EMULATOR} -DSOURCE=${man_source} -DDESTINATION=${generated}/man
          -DPROJECT_VERSION=${PROJECT_VERSION} -P ${scripts}/cmake/man-pages.cmake
  DEPENDS shardfs ${man_pages} ${man_source}/layout-options.man ${man_source}/rank-options.man
          ${scripts}/cmake/man-pages.cmake
  COMMENT "Making the man pages" VERBATIM)
add_custom_target(shardfs_man ALL DEPENDS ${generated}/man/made)
foreach(page ${man_pages})
  cmake_path(GET page FILENAME name)
  string(REGEX MATCH "[18]$" section ${name})
  install(FILES ${generated}/man/${name}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES ${generated}/man/mount.shardfs.8.gz RENAME mount.fuse.shardfs.8.gz
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)

# ---- shardfs-dev: the core library, everything but FUSE and the command line ----

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME shardfs-dev)
set(core_layers base option console source parallel tensor format checkpoint view transform layout pipeline verify materialize)
# How we compile ourselves is no business of those who link the library.
foreach(property COMPILE_OPTIONS COMPILE_DEFINITIONS LINK_OPTIONS)
  get_target_property(ours shardfs_options INTERFACE_${property})
  if(ours)
    set_target_properties(shardfs_options PROPERTIES INTERFACE_${property} "$<BUILD_INTERFACE:${ours}>")
  endif()
endforeach()
get_target_property(ours shardfs_options INTERFACE_INCLUDE_DIRECTORIES)
set_target_properties(shardfs_options PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "$<BUILD_INTERFACE:${ours}>")
target_compile_features(shardfs_options INTERFACE cxx_std_20)

add_library(shardfs_core INTERFACE)
set(core_targets shardfs_core shardfs_options)
set(SHARDFS_PC_LIBS "")
foreach(layer ${core_layers})
  target_link_libraries(shardfs_core INTERFACE shardfs_${layer})
  set_target_properties(shardfs_${layer} PROPERTIES EXPORT_NAME ${layer})
  list(APPEND core_targets shardfs_${layer})
  string(PREPEND SHARDFS_PC_LIBS " -lshardfs_${layer}")  # a static library comes before those that it needs
endforeach()
set_target_properties(shardfs_core PROPERTIES EXPORT_NAME core)
set_target_properties(shardfs_options PROPERTIES EXPORT_NAME options)
install(TARGETS ${core_targets} EXPORT shardfsTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/shardfs DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/shardfs)
install(EXPORT shardfsTargets NAMESPACE shardfs:: DESTINATION ${config_dir})
configure_package_config_file(${scripts}/cmake/shardfsConfig.cmake.in ${generated}/shardfsConfig.cmake
                              INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${generated}/shardfsConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${generated}/shardfsConfig.cmake ${generated}/shardfsConfigVersion.cmake DESTINATION ${config_dir})
file(RELATIVE_PATH SHARDFS_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${scripts}/cmake/shardfs.pc.in ${generated}/shardfs.pc @ONLY)
install(FILES ${generated}/shardfs.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE RENAME copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/shardfs-dev)

# ---- the packages ----

set(CPACK_PACKAGE_VENDOR shardfs)
set(CPACK_PACKAGE_CONTACT "shardfs maintainers <shardfs@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "parallel cuts of a model checkpoint as files")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_GENERATOR DEB)
if(SHARDFS_STATIC)
  set(CPACK_COMPONENTS_ALL shardfs)
else()
  set(CPACK_COMPONENTS_ALL shardfs shardfs-dev)
endif()
set(CPACK_STRIP_FILES ON)
# Modes of installed directories must not depend on who builds, nor times of files on when the source was checked out.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${scripts}/cmake/package-stage.cmake)
set(description
    "A read-only FUSE file system that shows any parallel cut of a large model's
checkpoint as ordinary files, and a program that writes the same files, for
MindIE, vLLM, SGLang, MindSpore and loaders of your own.")

# Debian's
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
if(SHARDFS_STATIC)  # smaller, and unpacked by dpkg of any age; of shardfs-dev it would take minutes
  set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
endif()
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${SHARDFS_ARCHITECTURE})
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_SHARDFS_PACKAGE_NAME shardfs)
set(CPACK_DEBIAN_SHARDFS_PACKAGE_SECTION admin)
if(SHARDFS_STATIC)  # for Ubuntu too, where FUSE 2 may be what is installed; root needs neither
  set(CPACK_DEBIAN_SHARDFS_PACKAGE_DEPENDS "mount")
  set(CPACK_DEBIAN_SHARDFS_PACKAGE_RECOMMENDS "fuse3 | fuse")
else()
  set(CPACK_DEBIAN_SHARDFS_PACKAGE_DEPENDS "fuse3, mount")
  set(CPACK_DEBIAN_SHARDFS_PACKAGE_SHLIBDEPS ON)
endif()
set(CPACK_DEBIAN_SHARDFS_PACKAGE_SUGGESTS "python3, python3-yaml")  # for the programs in mindspore/ alone
set(CPACK_DEBIAN_SHARDFS_DESCRIPTION "${description}")  # below the summary
set(CPACK_DEBIAN_SHARDFS_PACKAGE_CONTROL_EXTRA "${scripts}/debian/postinst;${scripts}/debian/postrm;${generated}/conffiles")

set(CPACK_DEBIAN_SHARDFS-DEV_PACKAGE_NAME shardfs-dev)
set(CPACK_DEBIAN_SHARDFS-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_SHARDFS-DEV_PACKAGE_DEPENDS "nlohmann-json3-dev, libfmt-dev, libspdlog-dev, libtbb-dev, libxxhash-dev, libprotobuf-dev, libssl-dev, zlib1g-dev, pkg-config")
set(CPACK_DEBIAN_SHARDFS-DEV_DESCRIPTION "parallel cuts of a model checkpoint, the library
 The core of shardfs: reads safetensors checkpoints and computes any parallel
 cut of one. Headers, static libraries, CMake and pkg-config files.")

# openEuler's, Kylin's and all others that rpm installs
include(${scripts}/cmake/package-rpm.cmake)
include(CPack)
