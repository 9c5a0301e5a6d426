// --config: the settings of a layout as a JSON file gives them.
#pragma once

#include <string>
#include <string_view>

#include "option/settings.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The settings of a JSON file: an object whose keys are the names of the long options, with '-' or '_', and
// "options" or "O", an object of the layout's own. A key that is not known is refused.
Result<LayoutSettings> ReadConfigFile(const std::string& path);
Result<LayoutSettings> ParseConfig(std::string_view json, std::string_view what);

}  // namespace shardfs
