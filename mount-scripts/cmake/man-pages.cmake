# Makes the man pages, when the program is built: cmake -DPROGRAM=shardfs [-DEMULATOR=qemu-...] -DSOURCE=src/cli/man -DDESTINATION=DIR
# -DPROJECT_VERSION=V -P man-pages.cmake. The options of a view stand in several pages: the program itself says what they
# are (`shardfs layouts --format man`, and for commands that only read a source `shardfs layouts reader --format man`), so that an option is declared once. Each page is there twice, as it is and
# compressed, as Debian wants it, without a time in the file, so that the same source gives the same package.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND ${EMULATOR} "${PROGRAM}" layouts --format man OUTPUT_VARIABLE SHARDFS_DECLARED_OPTIONS
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${EMULATOR} "${PROGRAM}" layouts reader --format man OUTPUT_VARIABLE SHARDFS_READER_OPTIONS
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${EMULATOR} "${PROGRAM}" layouts --format json OUTPUT_VARIABLE declared
                COMMAND_ERROR_IS_FATAL ANY)

# The one page of all: each reader, transform and layout with its sentence and the names of its options.
set(heading_reader "Readers (\\-\\-from)")
set(heading_transform "Transforms, in this order")
set(heading_layout "Layouts (\\-\\-layout)")
set(SHARDFS_DECLARED_LAYOUTS "")
set(last_kind "")
string(JSON count LENGTH "${declared}")
math(EXPR last "${count} - 1")
foreach(i RANGE ${last})
  foreach(member kind name summary)
    string(JSON ${member} GET "${declared}" ${i} ${member})
    string(REPLACE "\\" "\\e" ${member} "${${member}}")
    string(REPLACE "-" "\\-" ${member} "${${member}}")
  endforeach()
  if(NOT kind STREQUAL last_kind)
    string(APPEND SHARDFS_DECLARED_LAYOUTS ".SS ${heading_${kind}}\n")
    set(last_kind ${kind})
  endif()
  string(APPEND SHARDFS_DECLARED_LAYOUTS ".TP\n\\fB${name}\\fR\n\\&${summary}.\n")
  string(JSON options LENGTH "${declared}" ${i} options)
  if(options GREATER 0)
    math(EXPR last_option "${options} - 1")
    set(flags "")
    foreach(j RANGE ${last_option})
      string(JSON option GET "${declared}" ${i} options ${j} name)
      string(REGEX REPLACE "[-_]" "\\\\-" option "${option}")
      list(APPEND flags "\\fB\\-\\-${option}\\fR")
    endforeach()
    list(JOIN flags ", " flags)
    string(APPEND SHARDFS_DECLARED_LAYOUTS ".br\nOptions: ${flags}.\n")
  endif()
endforeach()
string(STRIP "${SHARDFS_DECLARED_LAYOUTS}" SHARDFS_DECLARED_LAYOUTS)

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
