// ShardedDirectory: a directory that MindIE's weight_sharder wrote, or shardfs itself: all headers of all ranks'
// folders read and validated, no tensor byte touched, and each rank's tensors by name.
//
// A rank has five folders: model-norm, model-attn-tp-*, model-moe-tp-*-ep-*, model-dense-tp-* and model-*. Ranks share
// some of them. A tensor of a rank is looked up in this order, in any number of files.
// Source: spec/mindie-as-source.md, section 1.
//
// Invariants: immutable after Open; a rank has a name once.
// Thread-safety: const members from any thread. Ownership: hold it by shared_ptr for as long as any of its tensors is
// in use.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/tensor_info.h"
#include "layout/mindie/reader/sharded_sizes.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/safetensors_directory.h"
#include "shardfs/source/source_set.h"

namespace shardfs {

class ShardedDirectory {
 public:
  // kIoError when `path` does not exist, kInvalidArgument when it is a file, kCorruption for a directory that is not
  // MindIE's, lacks a rank's folder, has damaged files, or ranks that contradict each other.
  static Result<std::shared_ptr<const ShardedDirectory>> Open(const std::string& path);

  const ShardedSizes& sizes() const { return sizes_; }

  // The number of a name, by which the rest goes; names are numbered from 0 as rank 0 has them.
  std::optional<std::uint32_t> Find(std::string_view name) const;
  std::uint32_t name_count() const { return static_cast<std::uint32_t>(names_.size()); }
  const std::string& NameOf(std::uint32_t number) const { return names_[number]; }

  // The tensor of that number on a rank; FindAt gives nullptr where the rank lacks it, At needs CheckRanksAgree()
  // first.
  const TensorInfo* FindAt(std::uint32_t rank, std::uint32_t number) const { return table_[Place(rank, number)]; }
  const TensorInfo& At(std::uint32_t rank, std::uint32_t number) const { return *FindAt(rank, number); }

  // The entries of the root that are neither folders of ranks nor the metadata, by name.
  const std::vector<DirectoryEntry>& companions() const { return companions_; }
  const std::shared_ptr<const SourceSet>& sources() const { return sources_; }
  const std::string& path() const { return root_->path(); }  // absolute, links resolved
  const SourceRoot& root() const { return *root_; }
  std::uint64_t stored_tensors() const { return stored_tensors_; }
  std::uint64_t stored_bytes() const { return stored_bytes_; }
  const std::vector<std::string>& warnings() const { return warnings_; }

  // What the names say of files that are not there, or "" (SafetensorsDirectory::incomplete).
  const std::string& incomplete() const { return incomplete_; }

  // OK when each rank has the same tensors; else kCorruption names a rank and a tensor, or two files.
  Status CheckRanksAgree() const;

 private:
  ShardedDirectory() = default;

  Status Load();
  Status ListFolders(const std::vector<DirectoryEntry>& entries, std::vector<std::string>* shards);
  Status LoadShards(const std::vector<std::string>& paths);
  Status FillTable();
  std::uint32_t NumberOf(const std::string& name);
  std::size_t Place(std::uint32_t rank, std::uint32_t number) const {
    return std::size_t{rank} * names_.size() + number;
  }
  std::vector<std::string> FoldersOf(std::uint32_t rank) const;  // in the order of lookups

  ShardedSizes sizes_;
  std::shared_ptr<const SourceRoot> root_;
  std::shared_ptr<const SourceSet> sources_;
  std::vector<DirectoryEntry> companions_;
  std::map<std::string, std::vector<TensorInfo>, std::less<>> folders_;  // by folder
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<const TensorInfo*> table_;  // by rank and number; null where a rank lacks the tensor
  std::uint64_t stored_tensors_ = 0;
  std::uint64_t stored_bytes_ = 0;
  std::string incomplete_;
  std::vector<std::string> warnings_;
};

}  // namespace shardfs
