// VirtualTree: the directories and files of a view, complete and immutable, sizes exact from the start.
//
// Nodes are numbered in path order (a directory before what is in it, names by bytes), 0 is the root: the same
// checkpoint and options give the same numbers, so inode numbers are stable from mount to mount.
// Thread-safety: const members from any number of threads, without locks.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/parallel/rank_set.h"
#include "shardfs/view/virtual_file.h"

namespace shardfs {

using NodeId = std::uint32_t;
inline constexpr NodeId kRootNode = 0;

// Names that begin with it are the program's own, in a mount and in a directory that was materialized: a layout shows
// no file of the source under such a name.
inline constexpr std::string_view kReservedPrefix = ".shardfs";

struct VirtualNode {
  std::string name;                         // empty for the root
  NodeId parent = kRootNode;                // the root is its own parent
  RankSet ranks;                            // the ranks that load it; a directory: the ranks that need it to exist
  std::unique_ptr<const VirtualFile> file;  // null for a directory
  std::vector<NodeId> children;             // a directory's, ascending by name
  std::uint32_t subdirectories = 0;         // a directory's

  bool is_directory() const { return file == nullptr; }
};

class VirtualTree {
 public:
  std::span<const VirtualNode> nodes() const { return nodes_; }
  std::size_t size() const { return nodes_.size(); }
  const VirtualNode& node(NodeId id) const { return nodes_[id]; }

  // The child of directory `parent` of that name, or nullptr. `id` (may be null) gets its number.
  const VirtualNode* FindChild(NodeId parent, std::string_view name, NodeId* id) const;

  // "model-norm/model.safetensors"; empty for the root.
  std::string PathOf(NodeId id) const;

  std::uint64_t total_file_bytes() const { return total_file_bytes_; }
  std::uint32_t file_count() const { return file_count_; }
  std::uint32_t directory_count() const { return directory_count_; }  // the root included

 private:
  friend class VirtualTreeBuilder;
  std::vector<VirtualNode> nodes_;
  std::uint64_t total_file_bytes_ = 0;
  std::uint32_t file_count_ = 0;
  std::uint32_t directory_count_ = 0;
};

// Not thread-safe.
class VirtualTreeBuilder {
 public:
  VirtualTreeBuilder();
  ~VirtualTreeBuilder();

  // Paths are relative ("model-norm"), '/'-separated; parents must have been added. kInvalidArgument for a path that
  // exists, has no parent, or holds a component that is empty, ".", "..", longer than 255 bytes or with a NUL.
  Status AddDirectory(std::string_view path, RankSet ranks);
  Status AddFile(std::string_view path, RankSet ranks, std::unique_ptr<const VirtualFile> file);

  std::shared_ptr<const VirtualTree> Build() &&;

 private:
  struct Draft;
  std::unique_ptr<Draft> draft_;
};

}  // namespace shardfs
