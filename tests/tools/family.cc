// Expands a family's table. For each section and each of its layers, the rows whose condition holds become tensors, in
// the order of the table; a run of rows with "{expert}" is repeated as a whole for every expert. A shape depends on
// config.json alone, so that it is computed once for each row; for each layer only conditions and names are.
#include "tools/family.h"

#include <fmt/core.h>

#include <optional>
#include <string>
#include <utility>

#include "tools/shape_expression.h"

namespace shardfs::tools {
namespace {

constexpr std::uint64_t kLargestAxis = std::uint64_t{1} << 40;
constexpr std::uint64_t kLargestCount = std::uint64_t{1} << 20;
constexpr std::string_view kLayer = "{layer}";
constexpr std::string_view kExpert = "{expert}";

std::string Replace(std::string_view text, std::string_view placeholder, std::uint64_t number) {
  const std::size_t at = text.find(placeholder);
  if (at == std::string_view::npos) return std::string(text);
  return fmt::format("{}{}{}", text.substr(0, at), number, text.substr(at + placeholder.size()));
}

class Expansion {
 public:
  Expansion(const Model& model, Dtype dtype, std::uint64_t experts)
      : config_(model.config), dtype_(dtype), experts_(experts) {}

  Status Add(const Section& section) {
    Prepare(section);
    if (section.layers.empty()) return AddLayer(std::nullopt);
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t first, Evaluate(section.first_layer, {config_}));
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t layers, Evaluate(section.layers, {config_}));
    if (layers > kLargestCount) {
      return Status::InvalidArgument(fmt::format("{} is {}: give at most {}", section.layers, layers, kLargestCount));
    }
    for (std::uint64_t layer = first; layer < first + layers; ++layer) SHARDFS_RETURN_IF_ERROR(AddLayer(layer));
    return Status::Ok();
  }

  std::vector<NewTensor> Take() && { return std::move(tensors_); }

 private:
  struct PreparedRow {
    const TensorRow* row = nullptr;
    std::optional<Shape> shape;  // computed for the first tensor: where none exists, its keys may be null
    bool of_expert = false;
  };

  void Prepare(const Section& section) {
    rows_.clear();
    for (const std::span<const TensorRow> block : section.blocks) {
      for (const TensorRow& row : block) {
        rows_.push_back({&row, std::nullopt, row.name.find(kExpert) != std::string_view::npos});
      }
    }
  }

  Status AddLayer(std::optional<std::uint64_t> layer) {
    for (std::size_t begin = 0; begin < rows_.size();) {
      std::size_t end = begin + 1;
      while (rows_[begin].of_expert && end < rows_.size() && rows_[end].of_expert) ++end;
      const std::uint64_t times = rows_[begin].of_expert ? experts_ : 1;
      for (std::uint64_t expert = 0; expert < times; ++expert) {
        for (std::size_t i = begin; i < end; ++i) SHARDFS_RETURN_IF_ERROR(AddRow(rows_[i], layer, expert));
      }
      begin = end;
    }
    return Status::Ok();
  }

  Status AddRow(PreparedRow& prepared, std::optional<std::uint64_t> layer, std::uint64_t expert) {
    const TensorRow& row = *prepared.row;
    SHARDFS_ASSIGN_OR_RETURN(const bool wanted, Holds(row.when, {config_, layer}));
    if (!wanted) return Status::Ok();
    if (!prepared.shape) {
      SHARDFS_ASSIGN_OR_RETURN(prepared.shape, ShapeOf(row));
    }
    const std::string name = Replace(row.name, kLayer, layer.value_or(0));
    tensors_.push_back({Replace(name, kExpert, expert), row.always_f32 ? Dtype::kF32 : dtype_, *prepared.shape});
    return Status::Ok();
  }

  Result<Shape> ShapeOf(const TensorRow& row) const {
    Shape shape;
    for (const std::string_view axis : {row.rows, row.columns}) {
      if (axis.empty()) continue;
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t size, Evaluate(axis, {config_}));
      if (size == 0 || size > kLargestAxis) {
        return Status::InvalidArgument(fmt::format("{} of {} is {}: give 1 to {}", axis, row.name, size, kLargestAxis));
      }
      shape.push_back(size);
    }
    return shape;
  }

  const ModelConfig& config_;
  Dtype dtype_;
  std::uint64_t experts_;
  std::vector<PreparedRow> rows_;  // of the section at hand
  std::vector<NewTensor> tensors_;
};

}  // namespace

Result<std::vector<NewTensor>> FamilyTensors(const Model& model) {
  SHARDFS_ASSIGN_OR_RETURN(const Dtype dtype, model.config.TorchDtype());
  std::uint64_t experts = 0;
  if (!model.family->experts.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(experts, Evaluate(model.family->experts, {model.config}));
    if (experts == 0 || experts > kLargestCount) {
      return Status::InvalidArgument(
          fmt::format("{} is {}: give 1 to {}", model.family->experts, experts, kLargestCount));
    }
  }
  Expansion expansion(model, dtype, experts);
  for (const Section& section : model.family->sections) SHARDFS_RETURN_IF_ERROR(expansion.Add(section));
  return std::move(expansion).Take();
}

}  // namespace shardfs::tools
