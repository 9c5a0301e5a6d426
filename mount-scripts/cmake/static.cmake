# How the program is linked without shared libraries, for any Linux of its architecture whatever its C library.
# Included by the top CMakeLists.txt before the libraries are looked for.
#
# What Debian has no static library of comes from mount-scripts/build-static-dependencies.sh; of the same versions as the
# headers that everything is compiled with, so that the layers' objects serve both ways of linking.

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(SHARDFS_ARCHITECTURE arm64)  # Debian's word
else()
  set(SHARDFS_ARCHITECTURE amd64)
endif()
set(SHARDFS_STATIC_DEPENDENCIES ${PROJECT_SOURCE_DIR}/build-dependencies/${SHARDFS_ARCHITECTURE}
    CACHE PATH "Where build-static-dependencies.sh has installed its libraries")
set(shardfs_static_libraries libspdlog.a libfmt.a libtbb.a libxxhash.a)  # a later one serves those before it

set(SHARDFS_CAN_LINK_STATICALLY ON)
foreach(library IN LISTS shardfs_static_libraries)
  if(NOT EXISTS ${SHARDFS_STATIC_DEPENDENCIES}/lib/${library})
    set(SHARDFS_CAN_LINK_STATICALLY OFF)
  endif()
endforeach()
if(SHARDFS_STATIC)
  if(NOT SHARDFS_CAN_LINK_STATICALLY)
    message(FATAL_ERROR "SHARDFS_STATIC: there are no static libraries in ${SHARDFS_STATIC_DEPENDENCIES}; "
                        "run mount-scripts/build-static-dependencies.sh --arch ${SHARDFS_ARCHITECTURE}")
  endif()
  if(CMAKE_CROSSCOMPILING)  # where the shared ones, which have the same headers, need not be installed
    list(PREPEND CMAKE_PREFIX_PATH ${SHARDFS_STATIC_DEPENDENCIES})
    set(CMAKE_FIND_LIBRARY_SUFFIXES .a)  # for the tests, which are linked with what is found
  endif()
endif()

# shardfs_link_static(target): links the program's objects, which the target has, with all layers and libraries.
function(shardfs_link_static target)
  # Debian has these itself.
  find_library(SHARDFS_STATIC_FUSE libfuse3.a REQUIRED)
  find_library(SHARDFS_STATIC_CRYPTO libcrypto.a REQUIRED)
  find_library(SHARDFS_STATIC_Z libz.a REQUIRED)
  find_library(SHARDFS_STATIC_PROTOBUF libprotobuf-lite.a REQUIRED)
  get_property(layers GLOBAL PROPERTY SHARDFS_LAYERS)
  set(archives "")
  foreach(layer IN LISTS layers)
    list(PREPEND archives $<TARGET_FILE:${layer}>)
    add_dependencies(${target} ${layer})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS $<TARGET_FILE:${layer}>)
  endforeach()
  foreach(library IN LISTS shardfs_static_libraries)
    list(APPEND archives ${SHARDFS_STATIC_DEPENDENCIES}/lib/${library})
  endforeach()
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/cli/static_glibc.cc)
  target_link_libraries(${target} PRIVATE shardfs_options -Wl,--start-group ${archives} ${SHARDFS_STATIC_FUSE}
                                          ${SHARDFS_STATIC_PROTOBUF} ${SHARDFS_STATIC_CRYPTO} ${SHARDFS_STATIC_Z}
                                          -Wl,--end-group)
  # A build id would be made of debug information as well, and so of where the source lies.
  target_link_options(${target} PRIVATE -static-pie -Wl,--build-id=none)
endfunction()
