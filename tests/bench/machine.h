// What a reader of results must know of the machine that they are from.
//
// Thread-safety: any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace shardfs::bench {

// cpu, cores, memory, kernel, tmpfs's and anonymous memory's huge pages, the file system below `directory`, date.
std::vector<std::pair<std::string, std::string>> DescribeMachine(const std::string& directory);

// "ext2/ext3/ext4", "tmpfs", "xfs", ... of the file system that holds `path`.
std::string FilesystemName(const std::string& path);

}  // namespace shardfs::bench
