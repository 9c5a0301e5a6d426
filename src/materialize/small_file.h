// Small files of ours in a destination, read and written as a whole.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

// The content of a regular file, not through a link. `full` is its path for messages. kNotFound, kNotSupported above
// `limit` bytes, kCorruption when it is no regular file.
Result<std::string> ReadSmallFile(int directory, const char* name, const std::string& full, std::uint64_t limit);

// Writes all of `text` at the descriptor's position.
Status WriteText(int fd, std::string_view text, const std::string& full);

// Writes a file under a temporary name and gives it its own, so that it is there whole or not at all. Replaces.
Status WriteSmallFile(int directory, const std::string& name, const std::string& full, std::string_view text,
                      mode_t mode);

// Sets the modification time, in nanoseconds since the epoch, of `path` below `directory`, or of the open file itself
// where `path` is null: false with errno. Leaves the access time.
bool SetTime(int directory, const char* path, std::int64_t time_ns);

// rename(2) of a file within `directory` that does not replace another, where the file system can promise that (with
// renameat2, or with a hard link): 0, or -1 with errno, EEXIST where there is one.
int RenameToNew(int directory, const std::string& from, const std::string& to);

}  // namespace shardfs
