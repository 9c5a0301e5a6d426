// What the segments of a ReadPlan point to: the pattern of a gather, and the seam of computed bytes.
//
// Both are immutable after construction and may be read from any number of threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/status.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs {

// Reads of up to so many bytes of output go by system calls even where the source is mapped: a single page of a mapping
// that nothing has touched nearby costs a page of page tables, which takes longer than the copy.
inline constexpr std::uint64_t kSmallReadBytes = std::uint64_t{8} << 10;

// One level of nesting of a gather: `count` places, at a stride or, when there is a table, at listed offsets.
// Distances are in bytes; a table's smallest entry is 0.
struct GatherDim {
  std::uint64_t count = 1;
  std::uint64_t stride = 0;                                 // unless there is a table
  std::shared_ptr<const std::vector<std::uint64_t>> table;  // `count` entries, or null

  std::uint64_t OffsetOf(std::uint64_t index) const { return table ? (*table)[index] : index * stride; }
  std::uint64_t Reach() const;  // the largest OffsetOf
};

inline constexpr std::size_t kMaxGatherDims = 64;

// Where place number `place` of nested dims lies, in row-major order, in bytes from the first.
inline std::uint64_t OffsetOfPlace(std::span<const GatherDim> dims, std::uint64_t place) {
  std::uint64_t offset = 0;
  for (std::size_t d = dims.size(); d-- > 0;) {
    offset += dims[d].OffsetOf(place % dims[d].count);
    place /= dims[d].count;
  }
  return offset;
}

// Runs of `run` contiguous bytes at base + sum of the dims' offsets, outermost dim first, last dim fastest.
struct GatherPattern {
  const ByteSource* source = nullptr;  // null when the bytes come from a plan (StridedKernel)
  std::uint64_t base = 0;
  std::vector<GatherDim> dims;  // at most kMaxGatherDims
  std::uint64_t run = 0;

  std::uint64_t size() const;  // output bytes

  // The smallest range of input bytes that holds every run touched by output bytes [offset, offset + count), rounded
  // out to whole places of the outermost dim: {first byte, bytes}.
  std::pair<std::uint64_t, std::uint64_t> Bounds(std::uint64_t offset, std::uint64_t count) const;
};

// Walks the runs that make up `count` output bytes from `offset`: emit(input offset, bytes, output position) -> bool,
// stopping when it gives false. Holds no object with a destructor, so that a fault guard may cut it short.
template <typename Emit>
bool ForEachRun(const GatherPattern& pattern, std::uint64_t offset, std::uint64_t count, Emit&& emit) {
  const std::size_t rank = pattern.dims.size();
  const GatherDim* const dims = pattern.dims.data();
  std::array<std::uint64_t, kMaxGatherDims> index;
  std::uint64_t place = offset / pattern.run;
  std::uint64_t within = offset % pattern.run;
  std::uint64_t input = pattern.base;
  for (std::size_t d = rank; d-- > 0;) {
    index[d] = place % dims[d].count;
    place /= dims[d].count;
    input += dims[d].OffsetOf(index[d]);
  }
  std::uint64_t done = 0;
  while (done < count) {
    const std::uint64_t bytes = std::min(pattern.run - within, count - done);
    if (!emit(input + within, bytes, done)) return false;
    done += bytes;
    within = 0;
    for (std::size_t d = rank; d-- > 0;) {
      input -= dims[d].OffsetOf(index[d]);
      if (++index[d] < dims[d].count) {
        input += dims[d].OffsetOf(index[d]);
        break;
      }
      index[d] = 0;
      input += dims[d].OffsetOf(0);
    }
  }
  return true;
}

// Copies `count` output bytes from `offset` run by run; the pattern's offsets count from `input`.
inline void CopyRuns(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                     std::byte* output) {
  ForEachRun(pattern, offset, count, [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
    std::memcpy(output + to, input + from, bytes);
    return true;
  });
}

// Bytes that are computed from the bytes of other plans.
class ComputeKernel {
 public:
  virtual ~ComputeKernel() = default;
  virtual std::uint64_t size() const = 0;  // output bytes
  // What it does, a noun, and the plans that it reads: for `shardfs explain`.
  virtual std::string_view name() const = 0;
  virtual std::vector<const ReadPlan*> inputs() const = 0;
  // As ReadPlan::ReadAt; allocates nothing.
  virtual Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const = 0;
  virtual void VisitSources(std::uint64_t offset, std::uint64_t size,
                            const std::function<void(const SourceSpan&)>& visit) const = 0;
};

// Fills `destination` with the pattern's output bytes from `offset`.
Status ReadGather(const GatherPattern& pattern, std::uint64_t offset, std::span<std::byte> destination);

}  // namespace shardfs
