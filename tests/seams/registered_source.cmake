# The edits that add a reader, a layout or a transform to the program, made to copies of the files in which a stranger
# would make them. registration_test.sh counts what the copies have more than the originals.

# add_lines(file REGEX LINE [REGEX LINE ...]): copies src/FILE into the folder `registered` of the build, with each line
# behind the last one that begins with what its regular expression matches.
function(add_lines file)
  set(original ${PROJECT_SOURCE_DIR}/src/${file})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${original})
  file(READ ${original} text)
  set(edits ${ARGN})
  while(edits)
    list(POP_FRONT edits regex line)
    string(REGEX MATCHALL "(^|\n)${regex}[^\n]*" places "${text}")
    list(LENGTH places count)
    if(count EQUAL 0)
      message(FATAL_ERROR "src/${file} has no line that begins with ${regex}, behind which a new one could stand")
    endif()
    list(GET places -1 place)
    string(REPLACE "${place}" "${place}\n${line}" text "${text}")
  endwhile()
  file(CONFIGURE OUTPUT registered/${file} CONTENT "${text}" @ONLY)
endfunction()
