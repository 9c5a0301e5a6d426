// All scalars are collected, sorted by where they lie, and read in runs. Then each pair goes through the expression
// that the view's tensor is made of, over the bytes in memory, so the check and the view cannot disagree.
#include "layout/mindie/agreeing_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/parallel.h"
#include "layout/mindie/linear_tensors.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/ops/cast.h"

namespace shardfs {
namespace {

// Bytes between two scalars that are read along: a read of its own costs a network file system more than these.
constexpr std::uint64_t kMaxGap = std::uint64_t{64} << 10;
constexpr std::uint64_t kMaxRun = std::uint64_t{1} << 20;
constexpr std::size_t kMaxNamed = 10;

constexpr std::array<LinearCompanion, 2> kShared = {&LinearWeights::input_scale, &LinearWeights::input_offset};

std::vector<const MlpWeights*> StaticMlps(const DeepseekWeights& weights) {
  std::vector<const MlpWeights*> mlps;
  const auto add = [&](const MlpWeights& mlp) {
    if (mlp.gate_proj.kind == LinearKind::kW8A8) mlps.push_back(&mlp);
  };
  const auto add_layer = [&](const LayerWeights& layer) {
    if (layer.dense) add(*layer.dense);
    if (layer.shared_experts) add(*layer.shared_experts);
    for (const MlpWeights& expert : layer.experts) add(expert);
  };
  for (const LayerWeights& layer : weights.layers) add_layer(layer);
  if (weights.mtp) add_layer(weights.mtp->layer);
  return mlps;
}

// Scalars [first, last) of the sorted list, which one read brings.
struct Run {
  std::size_t first = 0;
  std::size_t last = 0;
  std::uint64_t begin = 0;  // bytes from the start of the file
  std::uint64_t end = 0;
};

struct Scalar {
  const TensorSpec* tensor = nullptr;
  SourceSpan span;    // where it lies; no source where it is computed
  std::string bytes;  // its value
};

// The bytes of many small tensors.
class Scalars {
 public:
  Scalars(const Checkpoint& checkpoint, const std::vector<const TensorSpec*>& tensors) : checkpoint_(checkpoint) {
    for (const TensorSpec* tensor : tensors) {
      const auto span = checkpoint.tensors().SpanOf(checkpoint.IndexOf(*tensor));
      scalars_.push_back({tensor, span.value_or(SourceSpan{}), {}});
    }
    std::sort(scalars_.begin(), scalars_.end(), [](const Scalar& a, const Scalar& b) {
      if (a.span.source == b.span.source) return a.span.offset < b.span.offset;
      if (a.span.source == nullptr || b.span.source == nullptr) return a.span.source == nullptr;
      return a.span.source->name() < b.span.source->name();  // so that the first that fails is always the same
    });
    for (std::size_t i = 0; i < scalars_.size(); ++i) place_.emplace(scalars_[i].tensor, i);
  }

  Status Read() {
    const std::vector<Run> runs = Runs();
    std::vector<Status> statuses(runs.size());
    ParallelFor(runs.size(), [&](std::size_t i) { statuses[i] = ReadRun(runs[i]); });
    for (const Status& status : statuses) SHARDFS_RETURN_IF_ERROR(status);
    return Status::Ok();
  }

  Result<TensorPtr> At(const TensorSpec& tensor) const {
    return Tensor::Literal(tensor.dtype, tensor.shape, scalars_[place_.at(&tensor)].bytes);
  }

 private:
  std::vector<Run> Runs() const {
    std::vector<Run> runs;
    for (std::size_t i = 0; i < scalars_.size(); ++i) {
      const SourceSpan& span = scalars_[i].span;
      const std::uint64_t end = span.offset + span.size;
      const bool continues = span.source != nullptr && !runs.empty() &&
                             scalars_[runs.back().first].span.source == span.source &&
                             span.offset <= runs.back().end + kMaxGap && end <= runs.back().begin + kMaxRun;
      if (!continues) runs.push_back({i, i, span.offset, end});
      runs.back().last = i + 1;
      runs.back().end = std::max(runs.back().end, end);
    }
    return runs;
  }

  Status ReadRun(const Run& run) {
    const ByteSource* const source = scalars_[run.first].span.source;
    if (source == nullptr) return Compute(scalars_[run.first]);
    std::vector<std::byte> bytes(run.end - run.begin);
    const Status status = source->ReadAt(run.begin, bytes);
    if (!status.ok()) return status.WithContext(scalars_[run.first].tensor->name);
    for (std::size_t i = run.first; i < run.last; ++i) {
      const SourceSpan& span = scalars_[i].span;
      const char* const from = reinterpret_cast<const char*>(bytes.data()) + (span.offset - run.begin);
      scalars_[i].bytes.assign(from, span.size);
    }
    return Status::Ok();
  }

  Status Compute(Scalar& scalar) const {
    SHARDFS_ASSIGN_OR_RETURN(const TensorPtr tensor, checkpoint_.Build(*scalar.tensor));
    SHARDFS_ASSIGN_OR_RETURN(const ReadPlan plan, LowerToPlan(tensor));
    scalar.bytes.resize(plan.size());
    return plan.ReadAt(0, std::as_writable_bytes(std::span(scalar.bytes)));
  }

  const Checkpoint& checkpoint_;
  std::vector<Scalar> scalars_;  // by place in the source
  std::unordered_map<const TensorSpec*, std::size_t> place_;
};

// A number as a message shows it.
std::string ValueOf(const TensorSpec& tensor, const Scalars& scalars) {
  Result<TensorPtr> value = scalars.At(tensor);
  if (value.ok() && IsFloat(tensor.dtype)) value = ops::Cast(std::move(value).value(), Dtype::kF32);
  const auto plan = value.ok() ? LowerToPlan(*value) : value.status();
  std::array<std::byte, sizeof(float)> bytes{};
  if (!plan.ok() || plan->size() > bytes.size() || !plan->ReadAt(0, std::span(bytes).first(plan->size())).ok()) {
    return "unreadable";
  }
  if (!IsFloat(tensor.dtype)) return std::to_string(static_cast<int>(static_cast<signed char>(bytes[0])));
  float number;
  std::memcpy(&number, bytes.data(), sizeof number);
  return fmt::format("{}", number);
}

// OK, or kCorruption with both names and values.
Status CheckPair(const MlpWeights& mlp, LinearCompanion companion, Dtype dtype, const Scalars& scalars) {
  const std::array<const LinearWeights*, 2> packed = {&mlp.gate_proj, &mlp.up_proj};
  SHARDFS_ASSIGN_OR_RETURN(const TensorPtr shared, SharedValue(packed, companion, dtype, [&](const TensorSpec& tensor) {
                             return scalars.At(tensor);
                           }));
  SHARDFS_ASSIGN_OR_RETURN(const ReadPlan plan, LowerToPlan(shared));
  std::vector<std::byte> bytes(plan.size());
  const Status status = plan.ReadAt(0, bytes);
  if (status.code() != StatusCode::kCorruption) return status;
  const TensorSpec& gate = *(mlp.gate_proj.*companion);
  const TensorSpec& up = *(mlp.up_proj.*companion);
  return Status::Corruption(
      fmt::format("{} is {} and {} is {}", gate.name, ValueOf(gate, scalars), up.name, ValueOf(up, scalars)));
}

}  // namespace

Status CheckAgreeingValues(const DeepseekWeights& weights, Dtype dtype) {
  const std::vector<const MlpWeights*> mlps = StaticMlps(weights);
  std::vector<const TensorSpec*> tensors;
  for (const MlpWeights* mlp : mlps) {
    for (const LinearCompanion companion : kShared) {
      tensors.push_back(mlp->gate_proj.*companion);
      tensors.push_back(mlp->up_proj.*companion);
    }
  }
  Scalars scalars(*weights.checkpoint, tensors);
  SHARDFS_RETURN_IF_ERROR(scalars.Read());
  std::vector<Status> statuses(mlps.size() * kShared.size());
  ParallelFor(statuses.size(), [&](std::size_t i) {
    statuses[i] = CheckPair(*mlps[i / kShared.size()], kShared[i % kShared.size()], dtype, scalars);
  });
  std::vector<std::string_view> named;
  std::size_t differing = 0;
  for (const Status& status : statuses) {
    if (status.ok()) continue;
    if (status.code() != StatusCode::kCorruption) return status;
    if (++differing <= kMaxNamed) named.push_back(status.message());
  }
  if (differing == 0) return Status::Ok();
  return Status::Corruption(fmt::format(
      "gate_proj and up_proj of a W8A8 MLP become one linear with one input_scale and one input_offset, so "
      "these must agree, and do not: {}{}",
      fmt::join(named, "; "), differing > kMaxNamed ? fmt::format("; and {} more", differing - kMaxNamed) : ""));
}

}  // namespace shardfs
