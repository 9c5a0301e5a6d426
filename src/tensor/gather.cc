#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "shardfs/source/fault_guard.h"
#include "tensor/plan_segments.h"
#include "tensor/transpose.h"

namespace shardfs {

std::uint64_t GatherDim::Reach() const {
  if (!table) return count == 0 ? 0 : (count - 1) * stride;
  return table->empty() ? 0 : *std::max_element(table->begin(), table->end());
}

std::uint64_t GatherPattern::size() const {
  std::uint64_t bytes = run;
  for (const GatherDim& dim : dims) bytes *= dim.count;
  return bytes;
}

std::pair<std::uint64_t, std::uint64_t> GatherPattern::Bounds(std::uint64_t offset, std::uint64_t count) const {
  if (count == 0) return {base, 0};
  if (dims.empty()) return {base + offset, count};
  const std::uint64_t per_place = size() / dims.front().count;
  const std::uint64_t first = offset / per_place;
  const std::uint64_t last = (offset + count - 1) / per_place;
  std::uint64_t low = dims.front().OffsetOf(first);
  std::uint64_t high = dims.front().OffsetOf(last);
  if (dims.front().table) {
    const auto [min, max] = std::minmax_element(dims.front().table->begin() + static_cast<std::ptrdiff_t>(first),
                                                dims.front().table->begin() + static_cast<std::ptrdiff_t>(last) + 1);
    low = *min;
    high = *max;
  }
  std::uint64_t inner = run;
  for (std::size_t d = 1; d < dims.size(); ++d) inner += dims[d].Reach();
  return {base + low, high - low + inner};
}

namespace {

// Single elements that are no transpose: a loop of constant-size moves along the innermost dim, row of places by row.
template <typename Element>
void GatherElements(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                    std::byte* output) {
  constexpr std::uint64_t kBytes = sizeof(Element);
  const std::uint64_t head = std::min((kBytes - offset % kBytes) % kBytes, count);
  CopyRuns(pattern, input, offset, head, output);
  const std::span<const GatherDim> outer(pattern.dims.data(), pattern.dims.size() - 1);
  const GatherDim& inner = pattern.dims.back();
  std::uint64_t place = (offset + head) / kBytes;
  const std::uint64_t end = place + (count - head) / kBytes;
  std::byte* to = output + head;
  while (place < end) {
    const std::byte* const row = input + pattern.base + OffsetOfPlace(outer, place / inner.count);
    const std::uint64_t first = place % inner.count;
    const std::uint64_t behind = std::min(inner.count, first + (end - place));
    if (inner.table) {
      const std::uint64_t* const offsets = inner.table->data();
      for (std::uint64_t i = first; i < behind; ++i, to += kBytes) std::memcpy(to, row + offsets[i], kBytes);
    } else {
      const std::uint64_t stride = inner.stride;
      for (std::uint64_t i = first; i < behind; ++i, to += kBytes) std::memcpy(to, row + i * stride, kBytes);
    }
    place += behind - first;
  }
  const std::uint64_t done = static_cast<std::uint64_t>(to - output);
  CopyRuns(pattern, input, offset + done, count - done, to);
}

void GatherMapped(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                  std::byte* output) {
  if (IsTranspose(pattern)) {
    GatherTransposed(pattern, input, offset, count, output);
    return;
  }
  switch (pattern.run) {
    case 1:
      return GatherElements<std::uint8_t>(pattern, input, offset, count, output);
    case 2:
      return GatherElements<std::uint16_t>(pattern, input, offset, count, output);
    case 4:
      return GatherElements<std::uint32_t>(pattern, input, offset, count, output);
    case 8:
      return GatherElements<std::uint64_t>(pattern, input, offset, count, output);
    default:
      return CopyRuns(pattern, input, offset, count, output);
  }
}

}  // namespace

Status ReadGather(const GatherPattern& pattern, std::uint64_t offset, std::span<std::byte> destination) {
  // From so long runs on, a system call each is cheaper than page tables and misses of the TLB.
  constexpr std::uint64_t kLongRun = std::uint64_t{64} << 10;
  const std::span<const std::byte> mapped = pattern.source->Mapped();
  if (mapped.empty() || pattern.run >= kLongRun) {
    Status status;
    ForEachRun(pattern, offset, destination.size(), [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
      status = pattern.source->ReadAt(from, destination.subspan(to, bytes));
      return status.ok();
    });
    return status;
  }
  // What is left out beyond this is a pattern that touches a few pages here and there.
  constexpr std::uint64_t kMaxPopulateBytes = std::uint64_t{256} << 20;
  const auto [first, bytes] = pattern.Bounds(offset, destination.size());
  if (bytes <= kMaxPopulateBytes) pattern.source->Populate(first, bytes);
  const bool whole =
      WithFaultGuard([&] { GatherMapped(pattern, mapped.data(), offset, destination.size(), destination.data()); });
  // A truncated file shows zeros up to the end of its last page before it faults: only the guard behind the copy
  // tells those from bytes.
  SHARDFS_RETURN_IF_ERROR(pattern.source->CheckUnchanged());
  if (!whole) {
    return Status::IoError(
        fmt::format("{}: a mapped page near byte {} could not be read", pattern.source->name(), first));
  }
  return Status::Ok();
}

}  // namespace shardfs
