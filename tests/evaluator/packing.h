// A folder's tensors as safetensors files (spec/mindie-weight-sharder.md, sections 2, 4.1 and 4.2).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "evaluator/state_dict.h"

namespace shardfs::evaluator {

// The folders of a rank.
std::set<std::string> FoldersOf(const Rank& rank);

// The folder in which a rank saves a tensor.
std::string FolderOf(const Setting& setting, const Rank& rank, const Saved& saved);

// File name -> bytes for tensors in state-dict order; no file for no tensors.
std::map<std::string, std::string> PackFiles(const StateDict& tensors, std::uint64_t max_shard_bytes);

// A file of these tensors; of none of them, a header alone.
std::string SafetensorsBytes(StateDict tensors);

}  // namespace shardfs::evaluator
