# Makes the man pages, when the program is built: cmake -DPROGRAM=shardfs [-DEMULATOR=qemu-...] -DSOURCE=src/cli/man -DDESTINATION=DIR
# -DPROJECT_VERSION=V -P man-pages.cmake. The options of a view stand in several pages: the program itself says what they
# are (`shardfs layouts --format man`, and for commands that only read a source `shardfs layouts reader --format man`), so that an option is declared once. Each page is there twice, as it is and
# compressed, as Debian wants it, without a time in the file, so that the same source gives the same package.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND ${EMULATOR} "${PROGRAM}" layouts --format man OUTPUT_VARIABLE SHARDFS_DECLARED_OPTIONS
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${EMULATOR} "${PROGRAM}" layouts reader --format man OUTPUT_VARIABLE SHARDFS_READER_OPTIONS
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
file(READ "${SOURCE}/layout-options.man" layout_options)
string(CONFIGURE "${layout_options}" SHARDFS_LAYOUT_OPTIONS @ONLY)
file(READ "${SOURCE}/rank-options.man" SHARDFS_RANK_OPTIONS)
file(GLOB pages "${SOURCE}/*.[18]")
foreach(page IN LISTS pages)
  cmake_path(GET page FILENAME name)
  configure_file("${page}" "${DESTINATION}/${name}" @ONLY)
  execute_process(COMMAND gzip -9 -n -c "${DESTINATION}/${name}" OUTPUT_FILE "${DESTINATION}/${name}.gz"
                  COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(TOUCH "${DESTINATION}/made")
