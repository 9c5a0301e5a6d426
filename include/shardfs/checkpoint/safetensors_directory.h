// SafetensorsDirectory: a directory of safetensors files, all headers read and validated, no tensor byte touched.
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

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checked_index.h"
#include "shardfs/source/file_source.h"
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

  // kIoError when `directory` does not exist or is empty, as the directory of a network file system that comes late
  // does, or when its file system fails; kInvalidArgument when it is no directory, or a cache of several snapshots;
  // kCorruption for a damaged or incomplete checkpoint; kNotSupported for a dtype that is not known. Headers are read
  // in parallel, by oneTBB's threads, which live on: a process that forks does so before. Raises the soft limit on open
  // files as far as it needs.
  static Result<std::shared_ptr<const SafetensorsDirectory>> Open(const std::string& directory);

  // The tensors of all files, in file order. The pointer shares the ownership of `directory`.
  static StateDictPtr StateDictOf(const std::shared_ptr<const SafetensorsDirectory>& directory);
  const StateDict& tensors() const;

  const std::vector<std::unique_ptr<FileSource>>& files() const { return files_; }     // by name
  const std::vector<DirectoryEntry>& other_entries() const { return other_entries_; }  // by name; hidden ones too
  const std::vector<CheckedIndex>& indices() const { return indices_; }                // by name
  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::string& path() const { return path_; }  // absolute, links resolved; of a cache, its snapshot's
  std::uint64_t total_tensor_bytes() const;

  // The content of a file of the directory ("config.json"). kNotFound when it is missing, kNotSupported above `limit`.
  Result<std::string> ReadTextFile(const std::string& name, std::uint64_t limit) const;

  // Opens another file of the directory, to be shown as it is.
  Result<std::unique_ptr<FileSource>> OpenFile(const std::string& name) const;

  // What the names in the directory say of files that are not there: numbers that are missing, a download that has not
  // come to its end. "" where they say nothing. The headers may hold all that a layout needs nevertheless.
  const std::string& incomplete() const { return incomplete_; }

  // A layout's refusal of the content, with incomplete() before it, as that is its likely cause.
  Status ExplainRefusal(const Status& status) const;

  // kSourceChanged when path() leads to another directory than the one that was opened, or nowhere: the files here are
  // none the worse for it, but they are not what somebody finds there. Not an error: that looking has failed.
  Status CheckPath() const;

 private:
  SafetensorsDirectory();

  Status Load();  // fills all but path_ and directory_, which it may replace by a snapshot's
  Status LoadFiles(DirectoryListing& listing);

  std::string path_;
  FileDescriptor directory_;
  std::vector<std::unique_ptr<FileSource>> files_;
  std::unique_ptr<const SafetensorsStateDict> tensors_;
  std::vector<DirectoryEntry> other_entries_;
  std::vector<CheckedIndex> indices_;
  std::string incomplete_;
  std::vector<std::string> warnings_;
};

}  // namespace shardfs
