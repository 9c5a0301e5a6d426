# Run by cpack between installing and packing, in the tree that goes into the package.

# What only Debian's tools read.
if(NOT CPACK_GENERATOR STREQUAL DEB)
  file(GLOB_RECURSE lintian LIST_DIRECTORIES true ${CPACK_TEMPORARY_DIRECTORY}/*/lintian)
  foreach(directory IN LISTS lintian)
    if(directory MATCHES "/share/lintian$")
      file(REMOVE_RECURSE ${directory})
    endif()
  endforeach()
endif()

# With SOURCE_DATE_EPOCH set, every file has that time, so that the same source gives the same package.
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  execute_process(COMMAND find ${CPACK_TEMPORARY_DIRECTORY} -exec touch --no-dereference --date=@$ENV{SOURCE_DATE_EPOCH} {} +
                  COMMAND_ERROR_IS_FATAL ANY)
endif()
