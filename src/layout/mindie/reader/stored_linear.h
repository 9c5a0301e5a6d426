// StoredLinear: a linear of a MindIE directory by the numbers of its stored tensors, and the rules that make the
// source's linears of it.
//
// Not thread-safe; used while a merge is put together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindie/reader/merge_rules.h"

namespace shardfs {

struct StoredLinear {
  static constexpr std::uint32_t kNone = MergeRule::kNone;

  MergedKind kind = MergedKind::kFloat;
  std::uint32_t weight = kNone;
  std::uint32_t input_scale = kNone;  // kW8A8
  std::uint32_t input_offset = kNone;
  std::uint32_t deq_scale = kNone;
  std::uint32_t quant_bias = kNone;
  std::uint32_t weight_scale = kNone;   // kDynamic, kW4A8
  std::uint32_t weight_offset = kNone;  // kDynamic
  std::uint32_t bias = kNone;           // kW4A8
};

// How ranks split a linear.
enum class MergeRole : std::uint8_t { kColumn, kRow, kReplicated };

// One linear of the full checkpoint.
struct LinearPlace {
  std::string name;  // "model.layers.0.self_attn.q_b_proj"
  MergeRole role = MergeRole::kReplicated;
  std::uint32_t first_rank = 0;
  std::uint32_t ranks = 1;  // that split it
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::uint32_t expert = MergeRule::kNone;  // its entry in the stack
  MergeRule::Half half = MergeRule::Half::kWhole;
  std::uint32_t rope_block = 0;
  std::uint64_t groups = 1;  // W4A8: columns of weight_scale
};

// Collects tensors and checks each rule against the parts that it takes. The first thing that is wrong sticks.
class MergeWriter {
 public:
  MergeWriter(const ShardedDirectory& directory, const DeepseekConfig& config, MindieFidelity variant);

  // The number of a stored name, which counts as used from now on; kNone without a failure when there is none.
  std::uint32_t FindIfPresent(const std::string& name);
  // The same of a name that must be there.
  std::uint32_t Require(const std::string& name);

  StoredLinear FindLinear(const std::string& prefix);
  void AddLinear(const StoredLinear& linear, const LinearPlace& place);

  // A tensor of `shape` under `name` by `rule`; its dtype is the stored one unless `dtype` says otherwise.
  void Add(std::string_view name, const MergeRule& rule, Shape shape, MergedKind kind = MergedKind::kFloat,
           std::optional<Dtype> dtype = {});
  // A replicated tensor of a rule that takes it as it is.
  void AddWhole(const std::string& name, Shape shape);
  // Another name for what `index` is.
  void AddCopy(const std::string& name, std::size_t index);

  // The stored tensor of rank 0, for its shape and dtype.
  const TensorInfo& Stored(std::uint32_t number) const { return directory_.At(0, number); }

  // Columns of the scales of a W4A8 down_proj, which ranks split by columns of its weight. `column_groups`: those of
  // gate_up_proj's; 0 where that is of another kind.
  Result<std::uint64_t> RowGroups(std::uint32_t scale, std::uint64_t column_groups, std::uint32_t ranks) const;

  // Whether two ranks hold the same bytes of a tensor, of a stack those of its first expert.
  Result<bool> IsSameOnRanks(std::uint32_t number, std::uint32_t rank, std::uint32_t other) const;

  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }
  const Status& status() const { return status_; }
  // OK when every stored name has been used.
  Status CheckAllUsed() const;

  std::size_t size() const { return merge_.tensors.specs.size(); }
  MergeFindings& findings() { return merge_.findings; }
  Merge Take() && { return std::move(merge_); }

 private:
  MergeRule RuleOf(const LinearPlace& place, std::uint32_t stored) const;
  void AddStatic(const StoredLinear& linear, const LinearPlace& place);
  void AddDynamic(const StoredLinear& linear, const LinearPlace& place);
  void AddW4A8(const StoredLinear& linear, const LinearPlace& place);
  void AddPerRow(const LinearPlace& place, std::string_view suffix, std::uint32_t stored, Shape shape, MergedKind kind,
                 MergeRule::Step step = MergeRule::Step::kNone, std::optional<Dtype> dtype = {});
  Status CheckRule(const MergeRule& rule, const Shape& shape) const;

  const ShardedDirectory& directory_;
  const DeepseekConfig& config_;
  const MindieFidelity variant_;
  const std::uint64_t local_experts_;
  std::vector<bool> used_;  // by number
  bool deq_scale_is_float_ = false;
  Merge merge_;
  Status status_;
};

}  // namespace shardfs
