// PlanReport: what a view consists of and what each rank and node loads of it, for people and for programs.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pipeline/build_view.h"
#include "shardfs/base/result.h"
#include "shardfs/parallel/rank_set.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

// How much of one source file a file of the view is made of: the bytes that lie within the ranges it reads, each
// counted once. Where it takes columns of a matrix, the range is the whole matrix.
struct SourceShare {
  std::string file;
  std::uint64_t bytes = 0;
};

struct PlanEntry {
  NodeId node = kRootNode;
  std::uint64_t bytes = 0;           // a directory's: of all files below it
  std::vector<SourceShare> sources;  // a file's, when asked for; in order of first use
};

struct PlanNode {
  RankSet ranks;
  std::uint64_t bytes = 0;  // of the files that any of its ranks loads, each once
  std::uint32_t files = 0;
};

struct IgnoredGroup {
  std::string reason;
  std::uint64_t bytes = 0;
  std::vector<std::string> names;
};

struct PlanReport {
  std::vector<PlanEntry> entries;         // one for each node of the tree, by number
  std::vector<std::uint64_t> rank_bytes;  // by rank
  std::vector<PlanNode> nodes;
  std::vector<IgnoredGroup> ignored;  // in order of first appearance
  std::uint64_t loaded_bytes = 0;     // by all ranks together
};

// `nodes`: the servers among which the ranks are shared. kInvalidArgument when they do not divide the world size.
Result<PlanReport> MakePlanReport(const BuiltView& view, std::uint32_t nodes, bool with_sources);

// Many lines, the last with a newline. Warnings are not repeated here.
std::string FormatPlan(const BuiltView& view, const PlanReport& report);

nlohmann::ordered_json PlanToJson(const BuiltView& view, const PlanReport& report);

}  // namespace shardfs
