#include "layout/mindie/linear_resolver.h"

#include <fmt/format.h>

#include "base/quote_name.h"
#include "layout/mindie/reader/mindie_reader.h"

namespace shardfs {
namespace {

constexpr std::initializer_list<Dtype> kFloats = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};
constexpr std::uint64_t kScaleBiasColumns = 16;  // of a row-parallel W4A8 linear: a column for each of up to 16 ranks

}  // namespace

std::string WayToBF16(const Checkpoint& checkpoint, const TensorSpec& weight) {
  if (weight.dtype != Dtype::kF8E4M3) return "convert the checkpoint to BF16 first";
  for (const AppliedTransform& transform : checkpoint.transforms()) {
    if (transform.name != "dequantize") continue;
    return fmt::format("dequantize left it so, as the index, or the checkpoint if there is none, has no {}_scale_inv",
                       weight.name);
  }
  return "show it as BF16 with --dequantize bf16";
}

LinearWeights LinearResolver::Find(const std::string& prefix, LinearRole role, std::uint64_t rows,
                                   std::uint64_t columns, const std::string& quantize, bool is_routed_expert) {
  LinearWeights linear;
  const std::string name = prefix + ".weight";
  const TensorSpec* found = inventory_.FindIfPresent(name);
  if (found == nullptr || IsFloat(found->dtype)) {
    linear.weight = inventory_.Require(name, {{rows, columns}}, kFloats);
    if (found != nullptr) CheckDescription(name, LinearKind::kFloat);  // what is missing has no kind to contradict
    return linear;
  }
  const auto kind = LinearKindOfQuantize(quantize);
  if (found->dtype != Dtype::kI8 || role == LinearRole::kFloatOnly || !kind) {
    Fail(Status::NotSupported(fmt::format(
        "{} in {} is {}, which the mindie layout does not show{}", name, inventory_.OriginOf(*found), DtypeName(found->dtype),
        found->dtype != Dtype::kI8       ? fmt::format("; {}", WayToBF16(inventory_.checkpoint(), *found))
        : role == LinearRole::kFloatOnly ? ": weight_sharder splits this weight only as a float"
                                         : ": config.json has no \"quantize\" for it")));
    return linear;
  }
  if (*kind == LinearKind::kW4A8Dynamic && !is_routed_expert) {
    Fail(Status::NotSupported(
        fmt::format("{} would be W4A8_DYNAMIC, which weight_sharder writes for routed experts only", name)));
    return linear;
  }
  linear.kind = *kind;
  const bool is_w4 = *kind == LinearKind::kW4A8Dynamic;  // two elements to a byte, along the rows
  linear.weight = inventory_.Require(name, {{is_w4 ? rows / 2 : rows, columns}}, {Dtype::kI8});
  if (is_w4 && rows % 2 != 0)
    inventory_.AddDefect(fmt::format("{} packs pairs of its {} rows, an odd number", name, rows));
  CheckDescription(name, *kind);
  if (is_w4) {
    FindW4A8Companions(prefix, role, rows, &linear);
  } else {
    // A row-parallel linear's scale is split along axis 1, and experts' scales are stacked with it.
    FindCompanions(prefix, role == LinearRole::kRow || is_routed_expert, rows, &linear);
  }
  return linear;
}

void LinearResolver::FindCompanions(const std::string& prefix, bool scale_is_matrix, std::uint64_t rows,
                                    LinearWeights* linear) {
  if (linear->kind == LinearKind::kW8A8) {
    linear->input_scale = inventory_.Require(prefix + ".input_scale", {{1}}, kFloats);
    linear->input_offset =
        inventory_.Require(prefix + ".input_offset", {{1}}, {Dtype::kI8, Dtype::kF32, Dtype::kF16, Dtype::kBF16});
    linear->deq_scale =
        inventory_.Require(prefix + ".deq_scale", {{rows}}, {Dtype::kI64, Dtype::kF32, Dtype::kF16, Dtype::kBF16});
    linear->quant_bias = inventory_.Require(prefix + ".quant_bias", {{rows}}, {Dtype::kI32});
    for (const char* companion : {".weight_scale", ".weight_offset"}) {
      inventory_.Ignore(prefix + companion, "weight_sharder does not save it for a W8A8 linear");
    }
    return;
  }
  const Shape matrix = {rows, 1};
  const Shape other = scale_is_matrix ? matrix : Shape{rows};
  linear->weight_scale = inventory_.Require(prefix + ".weight_scale", {matrix, other}, kFloats);
  linear->weight_offset = inventory_.Require(prefix + ".weight_offset", {matrix, other}, kFloats);
}

// A merged checkpoint has as many columns as ranks have split the experts: each is the sum that one of them has.
std::uint64_t LinearResolver::RowBiasColumns(const std::string& name) const {
  const TensorSpec* const found = inventory_.checkpoint().Find(name);
  const bool is_merged = found != nullptr && found->shape.size() == 2 && !ShardsOf(inventory_.checkpoint()).empty();
  return is_merged ? found->shape[1] : kScaleBiasColumns;
}

void LinearResolver::FindW4A8Companions(const std::string& prefix, LinearRole role, std::uint64_t rows,
                                        LinearWeights* linear) {
  linear->weight_scale = inventory_.Require(prefix + ".weight_scale", {{rows, 1}}, kFloats);
  const std::uint64_t bias_columns = role == LinearRole::kRow ? RowBiasColumns(prefix + ".scale_bias") : 1;
  linear->scale_bias = inventory_.Require(prefix + ".scale_bias", {{rows, bias_columns}}, {Dtype::kF32});
  const JsonValue* group_size = description_ == nullptr ? nullptr : description_->Find("group_size");
  const std::string second = prefix + ".weight_scale_second";
  // What group_size the original's description had, a merged checkpoint cannot tell: it has the tensor, or has none.
  const bool is_merged = !ShardsOf(inventory_.checkpoint()).empty();
  const bool has_none = is_merged ? inventory_.checkpoint().Find(second) == nullptr
                                  : group_size != nullptr && group_size->AsInt64() == 0;
  if (has_none) {
    inventory_.Ignore(second, "\"group_size\" of the description is 0", 0);
  } else if (const TensorSpec* found = inventory_.FindIfPresent(second); found != nullptr && found->shape.size() == 2) {
    linear->weight_scale_second = inventory_.Require(second, {{rows, found->shape[1]}}, kFloats);
  } else {
    inventory_.AddDefect(fmt::format("{} {}, but \"group_size\" of the description is not 0", second,
                                     found == nullptr ? "is missing" : "has no two axes"));
  }
  for (const char* companion : {".weight_offset", ".weight_offset_second"}) {
    inventory_.Ignore(prefix + companion, "weight_sharder does not save it for a W4A8_DYNAMIC linear");
  }
}

void LinearResolver::CheckDescription(const std::string& name, LinearKind kind) {
  if (description_ == nullptr) return;
  const auto said = description_->KindOf(name);
  if (!said && description_->Find(name) != nullptr) {
    inventory_.AddDefect(fmt::format("{} gives {} a kind that is no string", description_->file_name(), name));
  } else if (!said && kind != LinearKind::kFloat) {
    inventory_.AddDefect(fmt::format("{} does not say what {} is", description_->file_name(), name));
  }
  if (!said || *said == LinearKindName(kind)) return;
  inventory_.AddDefect(fmt::format("{} says that {} is {}, but by its dtype and config.json it is {}",
                                   description_->file_name(), name, QuoteName(*said), LinearKindName(kind)));
}

}  // namespace shardfs
