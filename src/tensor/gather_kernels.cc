// Gathers from memory to memory: transposes by tiles, single elements by moves of a constant size, rows by copies that
// ask for the rows to come.
#include "tensor/gather_kernels.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "tensor/transpose.h"

namespace shardfs {
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

// Rows: a loop of copies along the innermost dim, which asks for the rows to come while one is copied. The processor
// itself sees what comes only up to the end of a page, and rows lie at strides that leave a page soon.
constexpr std::uint64_t kCacheLine = 64;
constexpr std::uint64_t kLongestPrefetchedRow = 4096;  // a longer one is seen coming
constexpr std::uint64_t kPrefetchBytes = 4096;         // under way: enough to hide a miss, a tenth of the L1 cache

inline void PrefetchRow(const std::byte* row, std::uint64_t bytes) {
  for (std::uint64_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(row + at);
}

template <typename OffsetOf>
void CopyRows(const std::byte* input, std::uint64_t run, std::uint64_t first, std::uint64_t behind, std::byte* output,
              const OffsetOf& offset_of) {
  const std::uint64_t ahead = std::max<std::uint64_t>(kPrefetchBytes / run, 1);
  for (std::uint64_t i = first; i < std::min(first + ahead, behind); ++i) PrefetchRow(input + offset_of(i), run);
  for (std::uint64_t i = first; i < behind; ++i, output += run) {
    if (i + ahead < behind) PrefetchRow(input + offset_of(i + ahead), run);
    std::memcpy(output, input + offset_of(i), run);
  }
}

void GatherRows(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                std::byte* output) {
  const std::uint64_t run = pattern.run;
  const std::uint64_t head = std::min((run - offset % run) % run, count);
  CopyRuns(pattern, input, offset, head, output);
  const std::span<const GatherDim> outer(pattern.dims.data(), pattern.dims.size() - 1);
  const GatherDim& inner = pattern.dims.back();
  std::uint64_t place = (offset + head) / run;
  const std::uint64_t end = place + (count - head) / run;
  std::uint64_t done = head;
  while (place < end) {
    const std::byte* const rows = input + pattern.base + OffsetOfPlace(outer, place / inner.count);
    const std::uint64_t first = place % inner.count;
    const std::uint64_t behind = std::min(inner.count, first + (end - place));
    if (inner.table) {
      const std::uint64_t* const offsets = inner.table->data();
      CopyRows(rows, run, first, behind, output + done, [offsets](std::uint64_t i) { return offsets[i]; });
    } else {
      const std::uint64_t stride = inner.stride;
      CopyRows(rows, run, first, behind, output + done, [stride](std::uint64_t i) { return i * stride; });
    }
    done += (behind - first) * run;
    place += behind - first;
  }
  CopyRuns(pattern, input, offset + done, count - done, output + done);
}

}  // namespace

void GatherBytes(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
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
      if (pattern.run <= kLongestPrefetchedRow) return GatherRows(pattern, input, offset, count, output);
      return CopyRuns(pattern, input, offset, count, output);
  }
}

}  // namespace shardfs
