// Where the log of a running mount goes.
#pragma once

#include <string>

#include "shardfs/base/status.h"

namespace shardfs {

void LogToStderr();
void LogToSyslog();
Status LogToFile(const std::string& path);  // appends

}  // namespace shardfs
