// Name maps that a user gives: a JSON object of names.
#pragma once

#include <map>
#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

// {name: other name} of a JSON file. kInvalidArgument, with `option` before it, where it is none.
Result<std::map<std::string, std::string>> ReadNameMap(const std::string& path, std::string_view option);

}  // namespace shardfs
