// The environment of the process.
#pragma once

#include <optional>
#include <string>

namespace shardfs {

// A variable's value; one that is empty is not set. Thread-safe: nothing here changes the environment.
std::optional<std::string> EnvironmentVariable(const char* name);

}  // namespace shardfs
