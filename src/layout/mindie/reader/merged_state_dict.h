// MergedStateDict: the full checkpoint's tensors, each made of the parts that the ranks of a MindIE directory hold.
//
// A tensor is a spec and a rule of 40 bytes that says which stored tensors it is made of and how; its expression is
// built on request. DeepSeek-R1 as W8A8 has 136,735 of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindie/reader/sharded_directory.h"
#include "shardfs/tensor/state_dict.h"

namespace shardfs {

// How a tensor is made of stored ones. The parts are those of stored name `stored` on `ranks` ranks from `first_rank`.
struct MergeRule {
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  enum class Half : std::uint8_t { kWhole, kFirst, kSecond };  // of each part's rows: gate and up of gate_up_proj
  enum class Step : std::uint8_t {
    kNone,
    kCast,       // float to float
    kNegate,     // the sign that weight_sharder has flipped
    kWidenI8,    // an input_offset
    kBitsToF32,  // a scale that is kept as the bits of an F32 in an I64
    kOnes,       // nothing stored: each element is 1
  };

  std::uint32_t stored = 0;
  std::uint32_t values = kNone;  // the name of v_b_proj beside that of k_b_proj
  std::uint32_t first_rank = 0;
  std::uint32_t ranks = 1;
  std::uint32_t expert = kNone;  // the entry of axis 0 of a stack
  std::uint32_t rope_block = 0;  // rows of a block whose rope rows are restored; 0: none
  std::uint32_t rope = 0;
  std::uint8_t axis = 0;       // along which the ranks' parts stand side by side
  bool is_replicated = false;  // the first rank's part is the tensor
  bool is_transposed = false;  // W4A8: an entry has its axes swapped
  bool cuts_rows = false;      // of the embedding, the row of zeros below the vocabulary
  Half half = Half::kWhole;
  Step step = Step::kNone;
};

// The specs and rules of a merge as they are put together. Not thread-safe.
struct MergedTensors {
  std::string names;                   // one behind the other
  std::vector<std::size_t> name_ends;  // in `names`
  std::vector<TensorSpec> specs;       // without names, which come last
  std::vector<MergeRule> rules;        // of each spec
  std::vector<std::uint8_t> kinds;     // of each spec: what a description says of it (merge_rules.h)

  void Add(std::string_view name, Dtype dtype, Shape shape, const MergeRule& rule, std::uint8_t kind);
  std::string_view NameAt(std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : name_ends[index - 1];
    return std::string_view(names).substr(begin, name_ends[index] - begin);
  }
};

// The shape that a rule takes of each part, before parts are joined; `rank` is that of the result.
Result<Shape> PartShape(const TensorInfo& part, const MergeRule& rule, std::uint64_t local_experts, std::size_t rank);

// Immutable; const members from any number of threads.
class MergedStateDict final : public StateDict {
 public:
  // `local_experts`: entries of a stack. CheckRule of merge_rules.h has held of every rule.
  MergedStateDict(std::shared_ptr<const ShardedDirectory> directory, MergedTensors tensors,
                  std::uint64_t local_experts);

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override;
  Result<TensorPtr> Build(std::uint32_t index) const override;
  std::string_view Origin(std::uint32_t index) const override;
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override;

 private:
  Result<TensorPtr> Part(const TensorInfo& stored, const MergeRule& rule, std::size_t rank) const;
  Result<TensorPtr> Joined(const MergeRule& rule, const TensorSpec& spec) const;
  Result<TensorPtr> JoinedHeads(const MergeRule& rule) const;

  std::shared_ptr<const ShardedDirectory> directory_;
  std::string names_;
  std::vector<TensorSpec> specs_;
  std::vector<MergeRule> rules_;
  std::vector<std::uint32_t> by_name_;  // indices of specs_, ascending by name
  std::uint64_t local_experts_;
};

}  // namespace shardfs
