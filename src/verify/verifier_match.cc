#include "verify/verifier_match.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/quote_name.h"

namespace shardfs {
namespace {

// Which nodes are expected, by node number: what the ranks load, and the folders that it is in.
std::vector<bool> ExpectedNodes(const VirtualTree& tree, const std::optional<RankSet>& ranks) {
  std::vector<bool> expected(tree.size(), !ranks.has_value());
  if (ranks) {
    for (NodeId id = static_cast<NodeId>(tree.size()) - 1; id > kRootNode; --id) {
      if (tree.node(id).ranks.Intersects(*ranks)) expected[id] = true;
      if (expected[id]) expected[tree.node(id).parent] = true;
    }
  }
  expected[kRootNode] = true;
  return expected;
}

bool IsExpectedType(const VirtualNode& node, FoundEntry::Type type) {
  return type == (node.is_directory() ? FoundEntry::Type::kDirectory : FoundEntry::Type::kFile);
}

Difference WrongType(const FoundEntry& entry, bool is_directory) {
  Difference difference{.path = entry.path, .kind = DifferenceKind::kType};
  difference.expected = is_directory ? "a folder" : "a file";
  difference.actual = entry.type == FoundEntry::Type::kFile        ? "a file"
                      : entry.type == FoundEntry::Type::kDirectory ? "a folder"
                                                                   : "neither a file nor a folder";
  difference.message = fmt::format("expected {}, found {}", difference.expected, difference.actual);
  return difference;
}

using PathSet = std::unordered_set<std::string>;

// The innermost folder of `folders` that `path` is in; empty when there is none.
std::string FolderAbove(const std::string& path, const PathSet& folders) {
  for (std::size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0;
       slash = path.rfind('/', slash - 1)) {
    std::string folder = path.substr(0, slash);
    if (folders.contains(folder)) return folder;
  }
  return {};
}

// What became of the folders that one side alone has.
struct FolderFate {
  std::size_t files = 0;    // in it, at any depth, that only this side has
  std::size_t renamed = 0;  // in it, that the other side has elsewhere
  std::string other;        // where all of the renamed ones went to, under their own names; empty if they did not
  bool scattered = false;
};

using Fates = std::unordered_map<std::string, FolderFate>;

Fates FindFates(const std::vector<UnpairedEntry>& entries,
                const std::vector<std::pair<std::string, std::string>>& moves) {
  PathSet folders;
  for (const UnpairedEntry& entry : entries) {
    if (!entry.is_file) folders.insert(entry.path);
  }
  Fates fates;
  for (const std::string& folder : folders) fates[folder];
  for (const UnpairedEntry& entry : entries) {
    if (!entry.is_file) continue;
    for (std::string up = FolderAbove(entry.path, folders); !up.empty(); up = FolderAbove(up, folders)) {
      ++fates[up].files;
    }
  }
  for (const auto& [from, to] : moves) {
    for (std::string up = FolderAbove(from, folders); !up.empty(); up = FolderAbove(up, folders)) {
      FolderFate& fate = fates[up];
      const std::string rest = from.substr(up.size());
      const bool same_name = to.ends_with(rest) && to.size() > rest.size();
      const std::string other = same_name ? to.substr(0, to.size() - rest.size()) : "";
      fate.scattered = fate.scattered || !same_name || (fate.renamed > 0 && fate.other != other);
      fate.other = other;
      ++fate.renamed;
    }
  }
  return fates;
}

bool MovedWhole(const FolderFate& fate) { return fate.files == 0 && fate.renamed > 0 && !fate.scattered; }

std::string FileCount(std::size_t files) {
  if (files == 0) return "";
  return fmt::format(", with {} file{}", files, files == 1 ? "" : "s");
}

// One difference an entry that its folder does not already speak for.
void DescribeUnpaired(const std::vector<UnpairedEntry>& entries, const Fates& fates, DifferenceKind kind,
                      std::vector<Difference>& differences) {
  PathSet spoken_for;  // folders of which nothing is on the other side
  for (const auto& [folder, fate] : fates) {
    if (fate.renamed == 0) spoken_for.insert(folder);
  }
  for (const UnpairedEntry& entry : entries) {
    if (!FolderAbove(entry.path, spoken_for).empty()) continue;
    const auto fate = fates.find(entry.path);
    if (fate != fates.end() && fate->second.renamed > 0) continue;  // its files are each spoken of, or all moved
    const std::string what = entry.is_file ? "file" : "folder";
    const std::string present =
        entry.is_file ? fmt::format("{} bytes", entry.size) : fmt::format("a folder{}", FileCount(fate->second.files));
    Difference difference{.path = entry.path, .kind = kind};
    const bool missing = kind == DifferenceKind::kMissing;
    difference.expected = missing ? present : "nothing";
    difference.actual = missing ? "nothing" : present;
    difference.message = fmt::format("{} {}{}", what, missing ? "is missing" : "is not expected",
                                     entry.is_file ? "" : FileCount(fate->second.files));
    differences.push_back(std::move(difference));
  }
}

}  // namespace

PathIndex IndexPaths(const VirtualTree& tree) {
  PathIndex paths;
  for (NodeId id = kRootNode + 1; id < tree.size(); ++id) paths.emplace(tree.PathOf(id), id);
  return paths;
}

Matching MatchEntries(const VirtualTree& tree, const PathIndex& paths, const std::optional<RankSet>& ranks,
                      const std::vector<FoundEntry>& found) {
  const std::vector<bool> expected = ExpectedNodes(tree, ranks);
  Matching matching;
  PathSet present;
  PathSet wrong;
  for (const FoundEntry& entry : found) {
    const auto known = paths.find(entry.path);
    if (known == paths.end()) {
      matching.extra.push_back({entry.path, nullptr, entry.type != FoundEntry::Type::kDirectory, entry.size});
      continue;
    }
    const VirtualNode& node = tree.node(known->second);
    present.insert(entry.path);
    if (!IsExpectedType(node, entry.type)) {
      matching.wrong_types.push_back(WrongType(entry, node.is_directory()));
      wrong.insert(entry.path);
    } else if (expected[known->second] && !node.is_directory()) {
      matching.files.push_back({entry.path, entry.path, node.file.get(), entry.size});
    }
  }
  for (NodeId id = kRootNode + 1; id < tree.size(); ++id) {
    const VirtualNode& node = tree.node(id);
    std::string path = tree.PathOf(id);
    if (!expected[id] || present.contains(path) || !FolderAbove(path, wrong).empty()) continue;
    const std::uint64_t size = node.is_directory() ? 0 : node.file->size();
    matching.missing.push_back({std::move(path), node.file.get(), !node.is_directory(), size});
  }
  return matching;
}

std::vector<Difference> DescribeNames(const std::vector<UnpairedEntry>& missing,
                                      const std::vector<UnpairedEntry>& extra, const std::vector<Rename>& renames) {
  std::vector<std::pair<std::string, std::string>> away;
  std::vector<std::pair<std::string, std::string>> back;
  for (const Rename& rename : renames) {
    away.emplace_back(rename.path, rename.found_path);
    back.emplace_back(rename.found_path, rename.path);
  }
  const Fates missing_fates = FindFates(missing, away);
  const Fates extra_fates = FindFates(extra, back);

  std::vector<Difference> differences;
  PathSet moved;  // folders that moved as a whole
  for (const auto& [folder, fate] : missing_fates) {
    if (!MovedWhole(fate)) continue;
    const auto other = extra_fates.find(fate.other);
    if (other == extra_fates.end() || !MovedWhole(other->second) || other->second.other != folder) continue;
    moved.insert(folder);
    differences.push_back({.path = folder,
                           .kind = DifferenceKind::kRenamed,
                           .expected = folder,
                           .actual = fate.other,
                           .message = fmt::format("folder is called {}", QuoteName(fate.other))});
  }
  for (const Rename& rename : renames) {
    if (!FolderAbove(rename.path, moved).empty()) continue;
    differences.push_back({.path = rename.path,
                           .kind = DifferenceKind::kRenamed,
                           .expected = rename.path,
                           .actual = rename.found_path,
                           .message = fmt::format("file is called {}", QuoteName(rename.found_path))});
  }
  DescribeUnpaired(missing, missing_fates, DifferenceKind::kMissing, differences);
  DescribeUnpaired(extra, extra_fates, DifferenceKind::kExtra, differences);
  return differences;
}

}  // namespace shardfs
