// SafetensorsDirectory: a directory of safetensors files, or one such file, all headers read and validated, no tensor
// byte touched. Of one file it is that file alone: nothing beside it counts.
//
// Every non-hidden *.safetensors file directly in the directory belongs to the checkpoint, whether there is an index
// (*.safetensors.index.json) or not; the reference's tools read them all as well. The headers say what the checkpoint
// has: a tensor that stands in two files is refused. An index must be well-formed and name plain files; where it
// disagrees with the headers, it is kept with its defects, and the layout decides what they mean.
// Snapshots of a Hugging Face cache (links into ../../blobs) work, and a cache of one snapshot stands for it.
//
// Invariants: immutable after Open; names of tensors are unique; offsets lie within their files.
// Thread-safety: const members from any thread. Ownership: hold it by shared_ptr for as long as any tensor or
// ByteSource of it is in use.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checked_index.h"
#include "shardfs/format/safetensors/header.h"
#include "shardfs/source/source_set.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

// An entry of the checkpoint's directory that is not a safetensors file or its index.
struct DirectoryEntry {
  std::string name;
  bool is_regular = false;  // after following links
  std::uint64_t size = 0;   // bytes; 0 unless regular
};

struct DirectoryListing;
class SafetensorsStateDict;

class SafetensorsDirectory {
 public:
  ~SafetensorsDirectory();

  // kIoError when `path` does not exist or is an empty directory, as the directory of a network file system that comes
  // late is, or when its file system fails; kInvalidArgument when it is neither a directory nor a *.safetensors file, or
  // a cache of several snapshots; kCorruption for a damaged or incomplete checkpoint; kNotSupported for a dtype that is
  // not known. Headers are read in parallel, by oneTBB's threads, which live on: a process that forks does so before.
  // Raises the soft limit on open files as far as it needs.
  static Result<std::shared_ptr<const SafetensorsDirectory>> Open(const std::string& path);

  // The tensors of all files, in file order. The pointer shares the ownership of `directory`.
  static StateDictPtr StateDictOf(const std::shared_ptr<const SafetensorsDirectory>& directory);
  const StateDict& tensors() const;

  const std::shared_ptr<const SourceSet>& sources() const { return sources_; }         // its files are by name
  std::span<const std::shared_ptr<const FileSource>> files() const { return sources_->files(); }
  const std::vector<DirectoryEntry>& other_entries() const { return other_entries_; }  // by name; hidden ones too
  const std::shared_ptr<const std::vector<CheckedIndex>>& indices() const { return indices_; }  // by name; not null
  std::span<const FileMetadata> metadata() const { return metadata_; }  // one a file, in the order of files()
  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::string& path() const { return root_->path(); }  // absolute, links resolved; of a cache, its snapshot's
  std::uint64_t total_tensor_bytes() const;

  // What the names in the directory say of files that are not there: numbers that are missing, a download that has not
  // come to its end. "" where they say nothing. The headers may hold all that a layout needs nevertheless.
  const std::string& incomplete() const { return incomplete_; }

 private:
  SafetensorsDirectory();

  Status Load();  // fills all but root_, which it may replace by a snapshot's
  Status LoadFiles(DirectoryListing& listing);

  std::shared_ptr<const SourceRoot> root_;
  std::shared_ptr<const SourceSet> sources_;
  std::unique_ptr<const SafetensorsStateDict> tensors_;
  std::vector<DirectoryEntry> other_entries_;
  std::shared_ptr<const std::vector<CheckedIndex>> indices_;
  std::vector<FileMetadata> metadata_;
  std::string incomplete_;
  std::vector<std::string> warnings_;
};

// A refusal of a checkpoint's content, with what is `incomplete` of it (or "") before it, as that is its likely cause.
Status ExplainRefusal(const std::string& incomplete, const Status& status);

}  // namespace shardfs
