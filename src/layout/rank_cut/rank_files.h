// RankFiles: the file of each rank, and rank_map.json, which says what is in them. Source: spec/rank-cuts.md,
// section 3.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "layout/rank_cut/placement.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs::rank_cut {

inline constexpr std::string_view kRankMapName = "rank_map.json";

struct RankFile {
  std::string name;
  std::vector<std::uint32_t> ranks;  // that share it, ascending
  std::unique_ptr<const VirtualFile> file;
  std::string header_sha256;
};

// By first rank. file-clash where ranks of one name hold different tensors.
Result<std::vector<RankFile>> BuildRankFiles(const TableInForce& in_force, const Placement& placement,
                                             const CheckpointPtr& checkpoint);

// The bytes of rank_map.json.
std::string RankMapJson(const TableInForce& in_force, const std::vector<RankFile>& files);

}  // namespace shardfs::rank_cut
