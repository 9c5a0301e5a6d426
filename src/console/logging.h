// Where the log of a running mount goes.
#pragma once

#include <string>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

void LogToStderr();
void LogToSyslog();
Status LogToFile(const std::string& path);  // appends

// The file of LogToFile opened again under its name, which after log rotation is another file. kInvalidArgument when
// the log is no file, or cannot be opened.
Result<FileDescriptor> OpenLogAgain();

// Lines go into `file` from now on, which OpenLogAgain of this or of another process has opened, instead of into the
// file of LogToFile. From any thread.
void ContinueLogIn(FileDescriptor file);

// Both of them, and a line in the log that says what came of it.
void ReopenLog();

}  // namespace shardfs
