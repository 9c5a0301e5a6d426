// What every command line must be, whatever its options mean.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "shardfs/base/status.h"

namespace shardfs {

// Gives every option of every subcommand that takes a value the rules that hold for all: it is not empty (an empty one
// is the sign of a variable that is not set, and would pass for an option that is not given), and a number is decimal.
// After all subcommands are there.
void AddValueRules(CLI::App& program);

// What CLI11 would take for something else, said of the words behind the program's name, before they are parsed: an
// option's value that is missing behind '=', and one given to a flag. kInvalidArgument.
Status CheckWords(const CLI::App& program, const std::vector<std::string>& words);

}  // namespace shardfs
