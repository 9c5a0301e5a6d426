#include "layout/mindie/reader/stored_linear.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quote_name.h"
#include "layout/mindie/reader/merge_geometry.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs {
namespace {

using Half = MergeRule::Half;
using Step = MergeRule::Step;

// Whether the routed experts' deq_scale is what weight_sharder makes of a float one in an F16 model: it forgets to turn
// that of gate_up_proj into the bits of an F32.
bool HasFloatDeqScale(const ShardedDirectory& directory) {
  for (std::uint32_t number = 0; number < directory.name_count(); ++number) {
    if (!directory.NameOf(number).ends_with(".mlp.gate_up_proj.deq_scale")) continue;
    const TensorInfo* const stored = directory.FindAt(0, number);
    if (stored != nullptr && stored->dtype == Dtype::kF16) return true;
  }
  return false;
}

// "[16, 64], [16, 64]"
std::string Shapes(const Shape& shape, std::uint32_t count) {
  constexpr std::uint32_t kShown = 4;
  std::string text;
  for (std::uint32_t i = 0; i < std::min(count, kShown); ++i) text += (i == 0 ? "" : ", ") + ShapeToString(shape);
  return count > kShown ? text + ", ..." : text;
}

}  // namespace

MergeWriter::MergeWriter(const ShardedDirectory& directory, const DeepseekConfig& config, MindieFidelity variant)
    : directory_(directory),
      config_(config),
      variant_(variant),
      local_experts_(config.routed_experts / directory.sizes().moe_ep),
      used_(directory.name_count(), false),
      deq_scale_is_float_(config.dtype == Dtype::kF16 && HasFloatDeqScale(directory)) {
  merge_.findings.has_rounded_deq_scale = deq_scale_is_float_;
}

std::uint32_t MergeWriter::FindIfPresent(const std::string& name) {
  const auto number = directory_.Find(name);
  if (!number) return MergeRule::kNone;
  used_[*number] = true;
  return *number;
}

std::uint32_t MergeWriter::Require(const std::string& name) {
  const std::uint32_t number = FindIfPresent(name);
  if (number != MergeRule::kNone) return number;
  Fail(Status::Corruption(fmt::format("rank 0 lacks {}, as do all other ranks", name)));
  return 0;
}

Status MergeWriter::CheckAllUsed() const {
  const auto unused = std::find(used_.begin(), used_.end(), false);
  if (unused == used_.end()) return Status::Ok();
  const auto number = static_cast<std::uint32_t>(unused - used_.begin());
  const auto others = std::count(unused + 1, used_.end(), false);
  return Status::Corruption(fmt::format(
      "{} in {} is no tensor of this model{}; does config.json belong to the folders?", directory_.NameOf(number),
      QuoteName(Stored(number).source->name()), others == 0 ? "" : fmt::format(", nor are {} more", others)));
}

Status MergeWriter::CheckRule(const MergeRule& rule, const Shape& shape) const {
  const TensorInfo& stored = directory_.At(rule.first_rank, rule.stored);
  SHARDFS_ASSIGN_OR_RETURN(const Shape part, PartShape(stored, rule, local_experts_, shape.size()));
  Shape expected = shape;
  if (!rule.is_replicated) expected[rule.axis] = SliceSize(shape[rule.axis], rule.ranks);
  if (rule.cuts_rows) expected[0] = part[0];  // FindVariant has looked at them
  if (part == expected) return Status::Ok();
  const std::string what = fmt::format("{} in {}", stored.name, QuoteName(stored.source->name()));
  if (rule.is_replicated) {
    return Status::Corruption(
        fmt::format("{} is {}, but config.json makes it {}", what, ShapeToString(part), ShapeToString(shape)));
  }
  return Status::Corruption(fmt::format("{}: {} part{} [{}] do{} not make {} on axis {}", what, rule.ranks,
                                        rule.ranks == 1 ? "" : "s", Shapes(part, rule.ranks),
                                        rule.ranks == 1 ? "es" : "", shape[rule.axis], rule.axis));
}

void MergeWriter::Add(std::string_view name, const MergeRule& rule, Shape shape, MergedKind kind,
                      std::optional<Dtype> dtype) {
  if (!status_.ok()) return;
  // All experts are entries of the same stacks.
  const bool is_checked = rule.expert != MergeRule::kNone && (rule.expert != 0 || rule.first_rank != 0);
  if (!is_checked && rule.step != Step::kOnes && rule.values == MergeRule::kNone) {
    if (Status status = CheckRule(rule, shape); !status.ok()) return Fail(status.WithContext(name));
  }
  merge_.tensors.Add(name, dtype.value_or(Stored(rule.stored).dtype), std::move(shape), rule,
                     static_cast<std::uint8_t>(kind));
}

void MergeWriter::AddWhole(const std::string& name, Shape shape) {
  const std::uint32_t stored = Require(name);
  Add(name, {.stored = stored, .is_replicated = true}, std::move(shape));
}

void MergeWriter::AddCopy(const std::string& name, std::size_t index) {
  if (!status_.ok()) return;
  MergedTensors& tensors = merge_.tensors;
  const TensorSpec spec = tensors.specs[index];
  tensors.Add(name, spec.dtype, spec.shape, MergeRule(tensors.rules[index]), tensors.kinds[index]);
}

StoredLinear MergeWriter::FindLinear(const std::string& prefix) {
  StoredLinear linear;
  linear.weight = Require(prefix + ".weight");
  if (!status_.ok() || IsFloat(Stored(linear.weight).dtype)) return linear;
  MergeFindings& findings = merge_.findings;
  if (Stored(linear.weight).dtype != Dtype::kI8) {
    Fail(Status::NotSupported(fmt::format("{}.weight is {}; a MindIE directory has floats and I8", prefix,
                                          DtypeName(Stored(linear.weight).dtype))));
  } else if (directory_.Find(prefix + ".deq_scale")) {
    linear.kind = MergedKind::kW8A8;
    linear.input_scale = Require(prefix + ".input_scale");
    linear.input_offset = Require(prefix + ".input_offset");
    linear.deq_scale = Require(prefix + ".deq_scale");
    linear.quant_bias = Require(prefix + ".quant_bias");
    findings.has_static = true;
  } else if (directory_.Find(prefix + ".bias")) {
    linear.kind = MergedKind::kW4A8;
    linear.weight_scale = Require(prefix + ".weight_scale");
    linear.bias = Require(prefix + ".bias");
    findings.has_w4a8 = true;
  } else {
    linear.kind = MergedKind::kDynamic;
    linear.weight_scale = Require(prefix + ".weight_scale");
    linear.weight_offset = Require(prefix + ".weight_offset");
    findings.has_dynamic = true;
  }
  if (config_.quantize.empty()) {
    Fail(
        Status::Corruption(fmt::format("{}.weight is quantised, but config.json has no \"quantize\"; put the kind "
                                       "that quant_model_description*.json gives the model there",
                                       prefix)));
  }
  return linear;
}

MergeRule MergeWriter::RuleOf(const LinearPlace& place, std::uint32_t stored) const {
  return {.stored = stored,
          .first_rank = place.first_rank,
          .ranks = place.ranks,
          .expert = place.expert,
          .rope_block = place.rope_block,
          .rope = place.rope_block == 0 ? 0 : static_cast<std::uint32_t>(config_.rope_head_dim),
          .axis = static_cast<std::uint8_t>(place.role == MergeRole::kRow ? 1 : 0),
          .is_replicated = place.role == MergeRole::kReplicated,
          .half = place.half};
}

void MergeWriter::AddLinear(const StoredLinear& linear, const LinearPlace& place) {
  if (!status_.ok()) return;
  if (linear.kind == MergedKind::kW4A8) return AddW4A8(linear, place);
  Add(place.name + ".weight", RuleOf(place, linear.weight), {place.rows, place.columns}, linear.kind);
  if (linear.kind == MergedKind::kW8A8) AddStatic(linear, place);
  if (linear.kind == MergedKind::kDynamic) AddDynamic(linear, place);
}

// A companion with an element for each row: split as the rows of a column-parallel weight are, else whole on each rank.
void MergeWriter::AddPerRow(const LinearPlace& place, std::string_view suffix, std::uint32_t stored, Shape shape,
                            MergedKind kind, Step step, std::optional<Dtype> dtype) {
  MergeRule rule = RuleOf(place, stored);
  rule.axis = 0;
  rule.is_replicated = place.role != MergeRole::kColumn;
  rule.step = step;
  Add(place.name + std::string(suffix), rule, std::move(shape), kind, dtype);
}

void MergeWriter::AddStatic(const StoredLinear& linear, const LinearPlace& place) {
  MergeRule one = RuleOf(place, linear.input_scale);
  one.is_replicated = true;
  one.half = Half::kWhole;
  one.rope_block = 0;
  Add(place.name + ".input_scale", one, {1}, linear.kind);
  one.stored = linear.input_offset;
  one.step = Step::kWidenI8;
  if (status_.ok() && Stored(linear.input_offset).dtype != Dtype::kI8) {
    return Fail(Status::Corruption(
        fmt::format("the input_offset of {} is {}, not I8", place.name, DtypeName(Stored(linear.input_offset).dtype))));
  }
  Add(place.name + ".input_offset", one, {1}, linear.kind, config_.dtype);
  AddPerRow(place, ".quant_bias", linear.quant_bias, {place.rows}, linear.kind);
  const Dtype stored = Stored(linear.deq_scale).dtype;
  const bool is_bits = deq_scale_is_float_ && stored == Dtype::kI64;
  const bool is_half = deq_scale_is_float_ && stored == Dtype::kF16;
  AddPerRow(place, ".deq_scale", linear.deq_scale, {place.rows}, linear.kind,
            is_bits   ? Step::kBitsToF32
            : is_half ? Step::kCast
                      : Step::kNone,
            is_bits || is_half ? Dtype::kF32 : stored);
}

void MergeWriter::AddDynamic(const StoredLinear& linear, const LinearPlace& place) {
  AddPerRow(place, ".weight_scale", linear.weight_scale, {place.rows, 1}, linear.kind);
  AddPerRow(place, ".weight_offset", linear.weight_offset, {place.rows, 1}, linear.kind,
            variant_ == MindieFidelity::kSharder ? Step::kNegate : Step::kNone);
}

void MergeWriter::AddW4A8(const StoredLinear& linear, const LinearPlace& place) {
  MergeRule weight = RuleOf(place, linear.weight);
  weight.is_transposed = true;
  Add(place.name + ".weight", weight, {place.rows / 2, place.columns}, linear.kind);
  MergeRule scale = RuleOf(place, linear.weight_scale);
  scale.is_transposed = true;
  scale.step = Step::kBitsToF32;
  if (place.groups == 1) {
    scale.is_replicated = place.role != MergeRole::kColumn;
    Add(place.name + ".weight_scale", scale, {place.rows, 1}, linear.kind, Dtype::kF32);
  } else {
    merge_.findings.has_groups = true;
    MergeRule ones = scale;
    ones.step = Step::kOnes;
    Add(place.name + ".weight_scale", ones, {place.rows, 1}, linear.kind, Dtype::kF32);
    Add(place.name + ".weight_scale_second", scale, {place.rows, place.groups}, linear.kind, Dtype::kF32);
  }
  // Each rank has the sum of its own columns.
  const bool is_row = place.role == MergeRole::kRow;
  if (is_row) merge_.findings.partial_sums = place.ranks;
  Add(place.name + ".scale_bias", RuleOf(place, linear.bias), {place.rows, is_row ? place.ranks : 1}, linear.kind);
}

Result<bool> MergeWriter::IsSameOnRanks(std::uint32_t number, std::uint32_t rank, std::uint32_t other) const {
  const auto read = [&](std::uint32_t of) -> Result<std::vector<std::byte>> {
    const TensorInfo& stored = directory_.At(of, number);
    std::vector<std::byte> bytes(stored.shape.size() == 3 ? stored.size / local_experts_ : stored.size);
    SHARDFS_RETURN_IF_ERROR(stored.source->ReadAt(stored.offset, bytes));
    return bytes;
  };
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::byte> first, read(rank));
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<std::byte> second, read(other));
  return first == second;
}

// Where each rank has several columns, there are as many times ranks of them. One column on each rank may be the only
// one, one of a group for several ranks, or its own: gate_up_proj's columns say how many a group has, and the bytes of
// ranks that would share one must not contradict that.
Result<std::uint64_t> MergeWriter::RowGroups(std::uint32_t scale, std::uint64_t column_groups,
                                             std::uint32_t ranks) const {
  const TensorInfo& stored = Stored(scale);
  const std::uint64_t local = stored.shape.size() == 3 ? stored.shape[1] : 1;
  if (local > 1 || ranks == 1) return local * ranks;
  if (column_groups == 1) return std::uint64_t{1};
  const std::uint64_t group =
      column_groups == 0 ? config_.moe_intermediate_size : CeilDiv(config_.hidden_size, column_groups);
  const std::uint64_t groups = CeilDiv(config_.moe_intermediate_size, group);
  if (groups >= ranks || ranks % groups != 0) return std::uint64_t{ranks};
  const std::uint64_t sharing = ranks / groups;
  for (std::uint32_t rank = 0; rank < ranks; ++rank) {
    if (rank % sharing == 0) continue;
    SHARDFS_ASSIGN_OR_RETURN(const bool same, IsSameOnRanks(scale, rank - 1, rank));
    if (!same) return std::uint64_t{ranks};
  }
  return groups;
}

}  // namespace shardfs
