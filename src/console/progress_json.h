// What --progress json prints: one object a line on stdout, and nothing else there.
//
// While the run is on:
//   {"phase":"write","bytes_done":0,"bytes_total":9,"files_done":0,"files_total":3,"bytes_per_second":null,
//    "seconds_left":null,"current_file":null}
// and in the end, also when the run was refused before it began, but not for a command line that cannot be read:
//   {"phase":"end","outcome":"done","exit_code":0,"message":null,"result":{what --json prints}}
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "console/progress.h"
#include "shardfs/base/status.h"

namespace shardfs {

// Without the line break. What is not known yet is null; whatever is not UTF-8 in a name is replaced.
std::string FormatProgressJson(const ProgressState& state);

// `outcome` is a word: done, different, cancelled, failed or refused. `result` may be null.
std::string FormatProgressEnd(std::string_view outcome, int exit_code, std::string_view message,
                              const nlohmann::ordered_json& result);

// The end of a run that `status` ended, of which the program's exit code is `exit_code`. Prints it to stdout.
void PrintProgressError(const Status& status, int exit_code);

}  // namespace shardfs
