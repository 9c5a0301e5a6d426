// Options from elsewhere than the command line: the configuration file and the environment.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

// What --config says. An object whose keys are the names of options, with '-' or '_', and "layout" and "from"; the
// values of options may also stand in an object "options" or "O".
struct ConfigFile {
  std::string layout;  // empty where the file is silent
  std::string from;
  std::vector<GivenOption> options;
};

// kInvalidArgument names the file and the key that is wrong. Whether an option of that name exists, and whether its
// value fits, is checked with all others (option_taker.h).
Result<ConfigFile> ReadConfigFile(const std::string& path);
Result<ConfigFile> ParseConfigFile(std::string_view json, std::string_view what);

// The options that the environment gives, of those that have a variable. An empty variable is silent. kInvalidArgument
// for a switch whose variable is no integer (0 is off, any other is on).
Result<std::vector<GivenOption>> OptionsOfEnvironment(std::span<const OptionSpec* const> specs);

}  // namespace shardfs
