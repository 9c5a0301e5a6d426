#include "layout/mindspore/mindspore_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/quote_name.h"
#include "layout/mindspore/assemble.h"

namespace shardfs {
namespace {

class FileTensors final : public StateDict {
 public:
  FileTensors(MindsporeSourcePtr source, std::size_t file) : source_(std::move(source)), file_(source_->files()[file]) {
    for (const StoredTensor& tensor : file_.tensors) {
      specs_.push_back({source_->NameOf(tensor.name), tensor.dtype, source_->ShapeOf(tensor.shape)});
    }
  }

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override {
    const auto id = source_->FindName(name);
    const StoredTensor* const found = id ? file_.Find(*id) : nullptr;
    if (found == nullptr) return std::nullopt;
    return static_cast<std::uint32_t>(found - file_.tensors.data());
  }
  Result<TensorPtr> Build(std::uint32_t index) const override { return source_->Build(file_, file_.tensors[index]); }
  std::string_view Origin(std::uint32_t /*index*/) const override { return file_.source->name(); }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    return SourceSpan{file_.source, file_.tensors[index].offset, BytesOf(specs_[index])};
  }

 private:
  MindsporeSourcePtr source_;
  const SourceFile& file_;
  std::vector<TensorSpec> specs_;
};

class WholeTensors final : public StateDict {
 public:
  explicit WholeTensors(MindsporeSourcePtr source) : source_(std::move(source)) {
    FindFirstFiles();
    for (std::uint32_t name = 0; name < source_->names(); ++name) {
      if (first_[name].file == kNoFile) continue;
      const auto parameter = source_->ParameterOf(name);
      index_of_.emplace(name, static_cast<std::uint32_t>(specs_.size()));
      names_.push_back(name);
      const StoredTensor& stored = StoredOf(name);
      const bool is_whole = !parameter || source_->parameters()[*parameter].full.empty();
      specs_.push_back({source_->NameOf(name), stored.dtype,
                        is_whole ? source_->ShapeOf(stored.shape) : source_->parameters()[*parameter].full});
    }
    CheckSource();
  }

  std::span<const TensorSpec> specs() const override { return specs_; }

  std::optional<std::uint32_t> Find(std::string_view name) const override {
    const auto id = source_->FindName(name);
    const auto found = id ? index_of_.find(*id) : index_of_.end();
    return found == index_of_.end() ? std::nullopt : std::optional(found->second);
  }

  Result<TensorPtr> Build(std::uint32_t index) const override {
    SHARDFS_RETURN_IF_ERROR(refusal_);
    const std::uint32_t name = names_[index];
    const auto parameter = source_->ParameterOf(name);
    if (parameter) return BuildParameter(source_->parameters()[*parameter]);
    return source_->Build(FirstFile(name), StoredOf(name));
  }

  std::string_view Origin(std::uint32_t index) const override { return FirstFile(names_[index]).source->name(); }

  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    const std::uint32_t name = names_[index];
    const auto parameter = source_->ParameterOf(name);
    if (!refusal_.ok()) return std::nullopt;
    if (parameter) {
      const SourceParameter& whole = source_->parameters()[*parameter];
      if (!whole.defect.ok() || GridOf(whole).cells() != 1) return std::nullopt;
    }
    return SourceSpan{FirstFile(name).source, StoredOf(name).offset, BytesOf(specs_[index])};
  }

 private:
  static constexpr std::uint32_t kNoFile = ~std::uint32_t{0};
  struct Place {
    std::uint32_t file = kNoFile;
    std::uint32_t tensor = 0;
  };

  // The file that counts for each name: of ranks the lowest that holds it, of a unified directory that of the map.
  void FindFirstFiles() {
    first_.resize(source_->names());
    const auto files = source_->files();
    const auto take = [&](std::uint32_t file, std::uint32_t tensor) {
      Place& place = first_[files[file].tensors[tensor].name];
      if (place.file == kNoFile) place = {file, tensor};
    };
    if (source_->kind() == MindsporeSource::Kind::kUnified) {
      for (const auto& [name, file] : source_->weight_map()) {
        const auto id = source_->FindName(name);
        const StoredTensor* const found = id ? files[file].Find(*id) : nullptr;
        if (found != nullptr) take(file, static_cast<std::uint32_t>(found - files[file].tensors.data()));
      }
      if (const auto hyper = source_->hyper_file()) {
        for (std::uint32_t i = 0; i < files[*hyper].tensors.size(); ++i) take(*hyper, i);
      }
      return;
    }
    for (std::uint32_t file = 0; file < files.size(); ++file) {
      for (std::uint32_t i = 0; i < files[file].tensors.size(); ++i) take(file, i);
    }
  }

  // What keeps every tensor from being put together.
  void CheckSource() {
    if (source_->kind() != MindsporeSource::Kind::kRanks) return;
    if (source_->strategy() == nullptr) {
      if (source_->files().size() == 1 && source_->files().front().rank == 0) return;
      refusal_ = Status::InvalidArgument(
          fmt::format("the source has {} ranks, and how their slices are put together their strategy says; give "
                      "--src-strategy",
                      source_->files().size()));
      return;
    }
    std::vector<std::uint32_t> ranks;
    for (const SourceFile& file : source_->files()) ranks.push_back(file.rank);
    refusal_ = source_->CheckSteps(ranks);
  }

  const SliceGrid& GridOf(const SourceParameter& parameter) const {
    return *source_->GridOf(parameter.copies.front().layout, Placement::kTraining);
  }

  Result<TensorPtr> BuildParameter(const SourceParameter& parameter) const {
    SHARDFS_RETURN_IF_ERROR(parameter.defect);
    const StageCopy& copy = parameter.copies.front();
    const SliceGrid& grid = GridOf(parameter);
    const std::uint32_t devices = source_->strategy()->devices();
    const std::uint32_t base = copy.stage * devices;
    std::vector<const SourceFile*> holders(grid.cells(), nullptr);
    std::uint64_t left = grid.cells();
    for (std::uint32_t device = 0; device < devices && left > 0; ++device) {
      const SourceFile*& holder = holders[grid.CellOf(device)];
      if (holder != nullptr) continue;
      const SourceFile* const file = source_->FileOfRank(base + device);
      if (file == nullptr || file->Find(parameter.name) == nullptr) continue;
      holder = file;
      --left;
    }
    return AssembleBox(grid, parameter.full, WholeBox(parameter.full), [&](std::uint64_t cell) -> Result<TensorPtr> {
      if (holders[cell] != nullptr) return source_->Build(*holders[cell], *holders[cell]->Find(parameter.name));
      return Missing(parameter, grid, base, cell);
    });
  }

  Status Missing(const SourceParameter& parameter, const SliceGrid& grid, std::uint32_t base,
                 std::uint64_t cell) const {
    const std::uint32_t rank = base + grid.FirstDevices()[cell];
    return Status::Corruption(fmt::format(
        "a slice of parameter {} is missing, that of rank {}: {}", QuoteName(source_->NameOf(parameter.name)), rank,
        source_->FileOfRank(rank) == nullptr
            ? fmt::format("there is no file in rank_{}/, nor one of a rank that holds the same slice", rank)
            : std::string("neither its file nor that of a rank with the same slice holds it")));
  }

  const SourceFile& FirstFile(std::uint32_t name) const { return source_->files()[first_[name].file]; }
  const StoredTensor& StoredOf(std::uint32_t name) const { return FirstFile(name).tensors[first_[name].tensor]; }

  MindsporeSourcePtr source_;
  std::vector<Place> first_;          // by name
  std::vector<std::uint32_t> names_;  // of each spec
  std::vector<TensorSpec> specs_;
  std::unordered_map<std::uint32_t, std::uint32_t> index_of_;  // in specs_, by name
  Status refusal_;
};

}  // namespace

StateDictPtr MakeFileTensors(MindsporeSourcePtr source, std::size_t file) {
  return std::make_shared<const FileTensors>(std::move(source), file);
}

StateDictPtr MakeWholeTensors(MindsporeSourcePtr source) {
  return std::make_shared<const WholeTensors>(std::move(source));
}

}  // namespace shardfs
