// Files that a command writes beside its work: a log, a page.
#pragma once

#include <string>
#include <string_view>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Refuses (kInvalidArgument) a `path` that leads, over links too, into the directory `source` or to a file that lies or
// is linked there: writing it would destroy the checkpoint. `what` begins the message: "the log file".
Status CheckOutsideSource(std::string_view what, const std::string& path, const std::string& source);

// Refuses (kInvalidArgument) a `path` that is a FIFO which no process reads: opening it would wait for a reader for ever.
// Gives a descriptor of one that is read, which the caller keeps until the file is written, since the reader takes the
// end of the first writer for the end of all; gives none of anything else.
Result<FileDescriptor> HoldReader(std::string_view what, const std::string& path);

}  // namespace shardfs
