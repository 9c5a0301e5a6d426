// Where a path lies, whatever names lead there.
#pragma once

#include <string>

namespace shardfs {

// Whether the absolute path `path` is `directory` or lies below it. Compares directories by device and inode, not by
// name, so that a second mount of the same filesystem (a bind mount) is recognised. Components of `path` that are not
// there yet are passed over: what counts is where they would be made. False where `directory` cannot be looked at.
// Links and ".." in `path` are to be resolved before. Thread-safe.
bool IsWithin(std::string path, const std::string& directory);

}  // namespace shardfs
