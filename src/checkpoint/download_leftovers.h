// What a download that has not come to its end leaves beside a checkpoint's files.
#pragma once

#include <string>
#include <vector>

namespace shardfs {

// The leftovers in the directory (*.incomplete, *.part, *.aria2 and their like), in its .cache/huggingface/download and
// ._____temp (ModelScope), and, of a snapshot in a Hugging Face cache, in ../../blobs: names as from the directory,
// ascending, 10 at most. A folder that cannot be read has none. `path`: that of the directory, links resolved.
std::vector<std::string> FindDownloadLeftovers(int directory_fd, const std::string& path);

}  // namespace shardfs
