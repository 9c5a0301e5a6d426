#include "verify/lost_bytes.h"

#include <algorithm>

namespace shardfs {
namespace {

// Above this size a vector of zeros would be a loss after all: no model has biases or offsets of 16 MiB.
constexpr std::uint64_t kLargestVector = std::uint64_t{16} << 20;

bool IsVector(const TensorSpec& spec) {
  const auto long_axes = std::count_if(spec.shape.begin(), spec.shape.end(), [](auto axis) { return axis > 1; });
  const bool is_column = !spec.shape.empty() && spec.shape.back() == 1;
  return (long_axes <= 1 || is_column) && BytesOf(spec) <= kLargestVector;
}

// Returns whether zeros in [begin, end) of the file are values of the tensor.
bool AreValues(const TensorRange& range, const TensorSpec& spec, const ZeroRun& run) {
  if (spec.dtype == Dtype::kBool) return true;
  const bool is_whole = run.begin <= range.offset && range.offset + range.size <= run.end;
  return is_whole && range.size == BytesOf(spec) && IsVector(spec);
}

void JudgeRun(const ZeroRun& run, std::span<const TensorRange> touched, std::span<const TensorSpec> specs,
              ZeroVerdict& verdict) {
  std::uint64_t unexplained = 0;
  const TensorRange* first = nullptr;
  std::uint32_t count = 0;
  std::uint64_t vectors = 0;
  for (const TensorRange& range : touched) {
    const std::uint64_t part = std::min(run.end, range.offset + range.size) - std::max(run.begin, range.offset);
    if (AreValues(range, specs[range.tensor], run)) {
      ++vectors;
      continue;
    }
    unexplained += part;
    if (first == nullptr) first = &range;
    ++count;
  }
  if (unexplained < kLostBlockBytes) {
    verdict.tensors_of_zeros += vectors;
    return;
  }
  if (!verdict.lost.empty() && verdict.lost.back().tensor == first->tensor) {
    LostBytes& before = verdict.lost.back();
    before.tensors = std::max(before.tensors, count);
    before.bytes += run.size();
    ++before.runs;
    return;
  }
  verdict.lost.push_back({first->tensor, count, run.begin, run.size(), 1});
}

}  // namespace

ZeroVerdict JudgeZeros(std::span<const ZeroRun> runs, std::span<const TensorRange> ranges,
                       std::span<const TensorSpec> specs) {
  ZeroVerdict verdict;
  std::size_t first = 0;
  for (const ZeroRun& run : runs) {
    while (first < ranges.size() && ranges[first].offset + ranges[first].size <= run.begin) ++first;
    std::size_t last = first;
    while (last < ranges.size() && ranges[last].offset < run.end) ++last;
    if (last > first) JudgeRun(run, ranges.subspan(first, last - first), specs, verdict);
  }
  return verdict;
}

}  // namespace shardfs
