// Checkpoint: a full model, wherever it came from: its state dict and the files beside it. What a reader gives to the
// transforms, each transform to the next, and the last to the layout.
//
// Immutable; const members from any number of threads. Held by shared_ptr, which keeps all sources open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/ignored_tensor.h"
#include "shardfs/checkpoint/read_notice.h"
#include "shardfs/checkpoint/checked_index.h"
#include "shardfs/checkpoint/safetensors_directory.h"
#include "shardfs/checkpoint/stored_parts.h"
#include "shardfs/source/source_set.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

// A file beside the weights: of the source as it is, or text that a transform made in its place.
struct CompanionFile {
  std::string name;
  bool is_regular = true;                    // after following links
  std::uint64_t size = 0;                    // bytes; 0 unless regular
  std::shared_ptr<const std::string> text;   // null for a file of the source
};

// A transform that has been applied, and what it did in one phrase, for `plan`.
struct AppliedTransform {
  std::string name;
  std::string account;
};

// An entry of the index for a tensor that is not there.
struct DanglingEntry {
  std::uint32_t position = 0;  // among all entries
  std::string tensor;
  std::string file;
};

class Checkpoint;
using CheckpointPtr = std::shared_ptr<const Checkpoint>;

class Checkpoint {
 public:
  // How the source keeps its tensors: what a layout that hands its files on must know.
  enum class Storage : std::uint8_t {
    kWholeTensors,  // each file holds whole tensors
    kSlices,        // files hold slices of tensors (MindIE's directory, MindSpore's ranks)
  };

  struct Content {
    StateDictPtr tensors;
    std::vector<CompanionFile> files;  // by name; neither weights nor their indices
    // The tensors in the key order of the source's index, if it maps exactly those that its files hold; else empty.
    std::vector<std::uint32_t> index_order;
    std::shared_ptr<const SourceSet> sources;  // where tensors and files as they are come from; not null
    std::uint64_t stored_tensors = 0;          // how many the source has, before any transform
    std::uint64_t stored_bytes = 0;            // of all of them, as the source stores them
    // The indices of the source (*.safetensors.index.json), by name, held against its headers; null where it has none.
    std::shared_ptr<const std::vector<CheckedIndex>> indices;
    std::string incomplete;  // SafetensorsDirectory::incomplete()
    Storage storage = Storage::kWholeTensors;
    std::string reader;                      // its name: "huggingface"
    std::vector<std::string> account;        // what the reader has recognised, in sentences for `plan`
    std::shared_ptr<const StoredParts> parts;  // see parts(); a transform clears it
    std::vector<AppliedTransform> transforms;  // those applied so far, in order
    // What a layout that keeps the source's files shows although no tensor is left of it: entries of the index, and
    // files. (spec/fp8-to-bf16.md, section 3)
    std::vector<DanglingEntry> dangling;  // by position
    std::vector<std::string> empty_files;
    std::vector<ReadNotice> notices;         // of what a transform computes
    std::vector<IgnoredTensor> ignored;      // what the reader or a transform left out
    std::vector<std::string> warnings;
  };

  // Parses config.json, once for all that ask.
  explicit Checkpoint(Content content);

  const StateDict& tensors() const { return *content_.tensors; }
  const StateDictPtr& shared_tensors() const { return content_.tensors; }
  // The spec of that name in tensors(), or nullptr.
  const TensorSpec* Find(std::string_view name) const;
  // These take a spec of tensors(), and return its index, the file that it comes from, and a new expression of it.
  std::uint32_t IndexOf(const TensorSpec& spec) const;
  std::string_view OriginOf(const TensorSpec& spec) const { return tensors().Origin(IndexOf(spec)); }
  Result<TensorPtr> Build(const TensorSpec& spec) const { return tensors().Build(IndexOf(spec)); }

  std::span<const CompanionFile> files() const { return content_.files; }
  const CompanionFile* FindFile(std::string_view name) const;  // nullptr when there is none
  std::span<const std::uint32_t> index_order() const { return content_.index_order; }
  const SourceSet& sources() const { return *content_.sources; }
  std::uint64_t stored_tensors() const { return content_.stored_tensors; }
  std::uint64_t stored_bytes() const { return content_.stored_bytes; }
  std::span<const CheckedIndex> indices() const;
  const std::string& incomplete() const { return content_.incomplete; }
  Storage storage() const { return content_.storage; }
  const std::string& reader() const { return content_.reader; }
  std::span<const std::string> account() const { return content_.account; }
  // The files or rank slices as stored, where the reader keeps them; null where it does not, and behind a transform.
  const std::shared_ptr<const StoredParts>& parts() const { return content_.parts; }
  std::span<const AppliedTransform> transforms() const { return content_.transforms; }
  std::span<const DanglingEntry> dangling() const { return content_.dangling; }
  std::span<const std::string> empty_files() const { return content_.empty_files; }
  std::span<const ReadNotice> notices() const { return content_.notices; }
  std::span<const IgnoredTensor> ignored() const { return content_.ignored; }
  std::span<const std::string> warnings() const { return content_.warnings; }
  const std::string& path() const { return content_.sources->path(); }  // absolute, links resolved

  // config.json, an object. kNotFound when there is none, kCorruption when it is no JSON object.
  Result<const JsonValue*> config() const;

  // The content of a companion file. kNotFound when there is none, kNotSupported above `limit` bytes.
  Result<std::string> ReadText(std::string_view name, std::uint64_t limit) const;

  // A layout's refusal of the content, with incomplete() before it.
  Status ExplainRefusal(const Status& status) const { return shardfs::ExplainRefusal(incomplete(), status); }

  // What a transform starts from, to change it.
  const Content& content() const { return content_; }

 private:
  Content content_;
  JsonValue config_;
  Status config_status_;
};

}  // namespace shardfs
