// What MindIE would refuse of the place where a model lies.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "console/text.h"

namespace shardfs {

// What MindIE would refuse of a model in `path` with these modes (spec/mindie-weight-sharder.md, section 6). Others may
// use the view as well, so these are warnings.
std::vector<Text> MindieWarnings(const std::string& path, mode_t file_mode, mode_t directory_mode);

}  // namespace shardfs
