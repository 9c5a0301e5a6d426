// Which names of a view a directory has, and what it has besides.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "verify/verifier_directory.h"
#include "shardfs/verify/verifier.h"

namespace shardfs {

using PathIndex = std::unordered_map<std::string, NodeId>;
PathIndex IndexPaths(const VirtualTree& tree);

struct Matching {
  std::vector<ComparedFile> files;
  std::vector<UnpairedEntry> missing;  // ascending by path; nothing below what has the wrong type
  std::vector<UnpairedEntry> extra;    // ascending by path
  std::vector<Difference> wrong_types;
};

// Only what `ranks` load is expected (everything without `ranks`); other names of the view are no surprise either.
Matching MatchEntries(const VirtualTree& tree, const PathIndex& paths, const std::optional<RankSet>& ranks,
                      const std::vector<FoundEntry>& found);

// A file of the view that the directory has under another name.
struct Rename {
  std::string path;
  std::string found_path;
};

// Puts into words what only one side has. A folder is one difference where all that is in it shares its fate.
std::vector<Difference> DescribeNames(const std::vector<UnpairedEntry>& missing,
                                      const std::vector<UnpairedEntry>& extra, const std::vector<Rename>& renames);

}  // namespace shardfs
