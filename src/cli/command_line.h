// What every command line must be, whatever its options mean.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "shardfs/base/status.h"

namespace shardfs {

// Gives every option of every subcommand that takes a value the rules that hold for all: it is not empty (an empty one
// is the sign of a variable that is not set, and would pass for an option that is not given), a number is decimal, and
// a user or group may be given by name (it comes to the option as a number). After all subcommands are there.
void AddValueRules(CLI::App& program);

// What CLI11 would take for something else, or say less of, said of the words behind the program's name, before they
// are parsed: an option that the subcommand does not have, a value that is missing behind '=', and one given to a flag.
// kInvalidArgument.
Status CheckWords(const CLI::App& program, const std::vector<std::string>& words);

// What there is to say of an option that `command` does not have, and of a first word that is no subcommand: the name
// that was probably meant, or where there is one like it. kInvalidArgument.
Status UnknownOption(const CLI::App& program, const CLI::App& command, const std::string& option);
Status UnknownWord(const CLI::App& program, const std::string& word);

}  // namespace shardfs
