// MindsporeSource: the files of a MindSpore checkpoint as they are stored, with what the source's strategy says of
// them. What the reader makes whole tensors of, and what MindSpore's layouts hand on rank by rank. (spec/mindspore.md,
// sections 1 and 3)
//
// Names and shapes are kept once for all files: a thousand ranks have four thousand tensors each, of the same names.
// Immutable; const members from any number of threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/ckpt_options.h"
#include "layout/mindspore/rank_files.h"
#include "layout/mindspore/slice.h"
#include "layout/mindspore/strategy.h"
#include "shardfs/checkpoint/ignored_tensor.h"
#include "shardfs/checkpoint/stored_parts.h"
#include "shardfs/source/source_set.h"

namespace shardfs {

// A tensor of one file.
struct StoredTensor {
  std::uint32_t name = 0;    // in MindsporeSource::NameOf
  std::uint32_t shape = 0;   // in MindsporeSource::ShapeOf
  std::uint64_t offset = 0;  // bytes from the start of the file; of a .ckpt the tensor's number in SourceFile::ckpt
  Dtype dtype = Dtype::kF32;
};

struct SourceFile {
  std::uint32_t rank = 0;  // of a source of ranks
  const FileSource* source = nullptr;
  FileMetadata metadata;
  StateDictPtr ckpt;                   // the tensors of a .ckpt, which may lie in several places; else null
  std::vector<StoredTensor> tensors;   // in data order
  std::vector<std::uint32_t> by_name;  // positions in `tensors`, ascending by StoredTensor::name

  const StoredTensor* Find(std::uint32_t name) const;  // nullptr where it is not in the file
};

// What the files of one pipeline stage hold of a parameter.
struct StageCopy {
  std::uint32_t stage = 0;
  std::uint32_t layout = 0;   // in Strategy::layouts()
  std::uint32_t shape = 0;    // of the slices, which all have one
  std::uint32_t holders = 0;  // files that hold a slice; at least one
};

// A parameter of the strategy, as far as files hold it.
struct SourceParameter {
  std::uint32_t name = 0;
  std::vector<StageCopy> copies;  // ascending by stage; empty where no file holds the parameter
  Dtype dtype = Dtype::kF32;
  Shape full;     // of the parameter put together
  Status defect;  // why the slices cannot be put together: shapes that disagree, an optimizer shard that does not fit
};

class MindsporeSource;
using MindsporeSourcePtr = std::shared_ptr<const MindsporeSource>;

class MindsporeSource final : public StoredParts, public std::enable_shared_from_this<MindsporeSource> {
 public:
  enum class Kind : std::uint8_t {
    kRanks,    // rank_<r>/ with slices, or whole tensors where there is one rank and no strategy
    kFull,     // one file of whole tensors
    kUnified,  // several files of whole tensors, with param_name_map.json
  };

  struct Options {
    std::string strategy;        // a file or directory; empty: none
    std::string file_suffix;     // of the files of ranks; empty: any
    bool has_redundancy = true;  // the files of ranks are complete, unless their metadata say otherwise
    CkptOptions ckpt;
  };

  static Result<MindsporeSourcePtr> Open(const std::string& path, const Options& options);

  Kind kind() const { return kind_; }
  const Options& options() const { return options_; }
  const StrategyPtr& strategy() const { return strategy_; }  // null where none was given
  const std::shared_ptr<const SourceSet>& sources() const { return sources_; }
  std::span<const SourceFile> files() const { return files_; }  // of ranks, ascending; else by name
  const SourceFile* FileOfRank(std::uint32_t rank) const;       // nullptr where the rank has no file
  std::span<const std::string> warnings() const { return warnings_; }
  std::uint32_t names() const { return static_cast<std::uint32_t>(names_.size()); }
  std::string_view NameOf(std::uint32_t name) const { return names_[name]; }
  std::optional<std::uint32_t> FindName(std::string_view name) const;
  const Shape& ShapeOf(std::uint32_t shape) const { return shapes_[shape]; }
  std::uint64_t stored_tensors() const { return stored_tensors_; }
  std::uint64_t stored_bytes() const { return stored_bytes_; }

  // The parameters of a source with a strategy, by index in Strategy::parameters().
  std::span<const SourceParameter> parameters() const { return parameters_; }
  // The parameter of a name; nothing for one that is in no strategy.
  std::optional<std::uint32_t> ParameterOf(std::uint32_t name) const;
  // The grid of a layout of the strategy. kCorruption where it is wrong, as each parameter's defect says too.
  const Result<SliceGrid>& GridOf(std::uint32_t layout, Placement placement) const;

  // kUnified: {name: file} of param_name_map.json, in its order. The file need not hold the name.
  std::span<const std::pair<std::string, std::uint32_t>> weight_map() const { return weight_map_; }
  std::optional<std::uint32_t> hyper_file() const { return hyper_file_; }  // kUnified: hyper_param.safetensors

  // kCorruption where the newest files of these ranks are not of one training step: the ranks, their steps, and the
  // newest step that all have. Ranks without a file are passed over.
  Status CheckSteps(std::span<const std::uint32_t> ranks) const;
  // The source with the files of the newest step that all of these ranks have, which `told` gets. kCorruption where
  // there is none.
  Result<MindsporeSourcePtr> AtCommonStep(std::span<const std::uint32_t> ranks, std::string* told) const;

  // Expressions of a stored tensor as it is, and where it lies if that is one run of the file.
  Result<TensorPtr> Build(const SourceFile& file, const StoredTensor& tensor) const;
  std::optional<SourceSpan> SpanOf(const SourceFile& file, const StoredTensor& tensor) const;

  // What extras=drop leaves out of .ckpt files.
  std::span<const IgnoredTensor> ignored() const { return ignored_; }
  bool is_ckpt() const { return !files_.empty() && files_.front().ckpt != nullptr; }

  // StoredParts.
  std::size_t file_count() const override { return files_.size(); }
  std::string_view FileName(std::size_t index) const override { return files_[index].source->name(); }
  const FileMetadata& MetadataOf(std::size_t index) const override { return files_[index].metadata; }
  StateDictPtr TensorsOf(std::size_t index) const override;

 private:
  Status Load();
  Status FindFiles(std::vector<std::string>& paths, std::vector<std::uint32_t>& ranks);
  Status FindWholeFiles(const std::vector<std::string>& names, std::vector<std::string>& paths);
  Status ReadFiles(const std::vector<std::string>& paths, const std::vector<std::uint32_t>& ranks);
  Status ReadNameMap();
  Status ReadCkpts(const std::vector<std::string>& paths, const std::vector<std::uint32_t>& ranks);
  void TakeFile(SourceFile file, std::vector<HeaderTensor> tensors, std::uint64_t data_offset);
  void TakeCkpt(SourceFile file);
  void AddTensor(SourceFile& file, std::string_view name, const Shape& shape, StoredTensor stored);
  void FinishFile(SourceFile file);
  Status GatherParameters();
  std::optional<TrainingStep> CommonStep(std::span<const std::uint32_t> ranks) const;

  Kind kind_ = Kind::kFull;
  std::string path_;
  Options options_;
  std::optional<TrainingStep> step_;  // where AtCommonStep has chosen it
  StrategyPtr strategy_;
  std::shared_ptr<const SourceRoot> root_;
  std::shared_ptr<const SourceSet> sources_;
  std::vector<RankDirectory> directories_;  // kRanks
  std::vector<SourceFile> files_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t> name_ids_;
  std::vector<Shape> shapes_;
  std::map<Shape, std::uint32_t> shape_ids_;
  std::vector<SourceParameter> parameters_;
  std::vector<std::uint32_t> parameter_of_;  // by name; kNone where it is in no strategy
  std::vector<Result<SliceGrid>> grids_[2];  // by layout, for each placement
  std::vector<std::pair<std::string, std::uint32_t>> weight_map_;
  std::optional<std::uint32_t> hyper_file_;
  std::vector<std::string> warnings_;
  std::vector<IgnoredTensor> ignored_;
  std::uint64_t stored_tensors_ = 0;
  std::uint64_t stored_bytes_ = 0;
};

}  // namespace shardfs
