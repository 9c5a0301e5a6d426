// Shows help: with an example of what to type, and as wide as the terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace shardfs {

// "shardfs umount /mnt/r1": a command line of that subcommand ("" for the program itself) that a user might type; empty
// for one that is not known.
std::string_view ExampleOf(std::string_view subcommand);

// The columns of the terminal that standard output is; 0 where it is none, so that programs get lines as they are.
std::size_t HelpWidth();

// Breaks the lines that are longer than `width` columns between words. What follows of an option or a subcommand stands
// below its description, of any other line below its beginning. 0, or fewer columns than one could read, breaks none.
std::string WrapHelp(std::string_view text, std::size_t width);

}  // namespace shardfs
