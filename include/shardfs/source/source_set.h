// SourceSet: every file and root that a checkpoint reads, named once and watched as one.
//
// A root is a directory, or a single weights file. The first root is the source itself; a further one (an adapter) has
// a label. A file's name is its path below its root, with the label before it: "model.safetensors",
// "rank_3/net.safetensors", "lora:adapter_model.safetensors". Names are unique in the set, and messages, status and
// attributes use them.
//
// Immutable; const members from any number of threads. Hold both by shared_ptr for as long as any ByteSource that they
// opened is in use: a FileSource borrows its root's descriptor.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/source/file_source.h"

namespace shardfs {

class SourceRoot {
 public:
  // `path` is a directory or a regular file. kIoError when it does not exist, as on a network file system that comes
  // late; kInvalidArgument when it is empty or of another kind.
  static Result<std::shared_ptr<const SourceRoot>> Open(const std::string& path, std::string label = "");

  const std::string& path() const { return path_; }  // absolute, links resolved
  const std::string& label() const { return label_; }
  bool is_file() const { return !file_.empty(); }
  const std::string& file() const { return file_; }  // the file's name in its directory; empty for a directory

  // Returns the descriptor of the directory, or of the one that the file is in; the root keeps it.
  int descriptor() const { return directory_.get(); }

  // Returns the name in the set of a file of this root. `path` is relative ("rank_3/net.safetensors").
  std::string NameOf(std::string_view path) const;

  // Opens a file of this root. kNotFound as well for a file root's neighbours, which nobody has asked for.
  Result<std::unique_ptr<FileSource>> OpenFile(const std::string& path) const;

  // kSourceChanged when path() leads to another directory than the one that was opened, or nowhere: the files here are
  // none the worse for it, but they are not what somebody finds there. Not an error: that looking has failed. A file
  // root's file is watched by its own FileSource::CheckName.
  Status CheckPath() const;

 private:
  SourceRoot() = default;

  std::string path_;
  std::string label_;
  std::string file_;
  FileDescriptor directory_;
};

class SourceSet {
 public:
  // Takes at least one root, each with its own label. `files` hold the tensors; unique names say their roots.
  SourceSet(std::vector<std::shared_ptr<const SourceRoot>> roots, std::vector<std::shared_ptr<const FileSource>> files);

  // Returns a set of the files and roots of both, those of `first` first.
  static std::shared_ptr<const SourceSet> Join(const SourceSet& first, const SourceSet& second);

  std::span<const std::shared_ptr<const SourceRoot>> roots() const { return roots_; }
  std::span<const std::shared_ptr<const FileSource>> files() const { return files_; }
  const std::string& path() const { return roots_.front()->path(); }  // what messages call the source

  // These take the name of any file of the roots, of weights or not. The path is absolute. kNotFound where no root has
  // the name's label.
  Result<std::unique_ptr<FileSource>> OpenFile(std::string_view name) const;
  std::string PathOf(std::string_view name) const;

  // Asks each root's CheckPath, and returns what the first has to say.
  Status CheckRoots() const;

 private:
  const SourceRoot* RootOf(std::string_view name, std::string_view* path) const;  // nullptr where there is none

  std::vector<std::shared_ptr<const SourceRoot>> roots_;
  std::vector<std::shared_ptr<const FileSource>> files_;
};

}  // namespace shardfs
