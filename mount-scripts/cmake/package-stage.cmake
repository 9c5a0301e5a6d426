# Run by cpack between installing and packing, in the tree that goes into the package.

# What Debian's policy asks for and no other distribution.
if(CPACK_GENERATOR STREQUAL DEB)
  set(debian ${CMAKE_CURRENT_LIST_DIR}/../debian)
  file(GLOB documents ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/shardfs*)
  foreach(directory IN LISTS documents)
    # COPY would pass over one that has the time of what is there: the LICENSE, of the same checkout.
    file(COPY_FILE ${debian}/copyright ${directory}/copyright)
    execute_process(COMMAND gzip -9 -n -c ${debian}/changelog OUTPUT_FILE ${directory}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)
    cmake_path(GET directory FILENAME package)
    cmake_path(SET overrides NORMALIZE ${directory}/../../lintian/overrides)
    file(MAKE_DIRECTORY ${overrides})
    file(READ ${debian}/lintian-overrides text)
    string(REPLACE "shardfs: bogus" "${package}: bogus" text "${text}")
    if(NOT package STREQUAL shardfs)  # what is said of the program
      string(REGEX REPLACE "# One program[^#]*" "" text "${text}")
    endif()
    file(WRITE ${overrides}/${package} "${text}")
  endforeach()
endif()

# With SOURCE_DATE_EPOCH set, every file has that time, so that the same source gives the same package.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  execute_process(COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +
                  COMMAND_ERROR_IS_FATAL ANY)
endif()
