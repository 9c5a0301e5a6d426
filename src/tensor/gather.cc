// Reads of runs of one source, in one of three ways. Long runs, and those of a source without a mapping: a read each,
// straight into the destination. Few short runs at a time: the same, or where they lie close together, windows of the
// source with as many runs as they hold, and copies out of a window while it is in the cache. Many short runs: from the
// mapping; where they are in memory, their pages are mapped many at a time before.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "shardfs/source/fault_guard.h"
#include "tensor/gather_kernels.h"
#include "tensor/plan_segments.h"

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

// From so long runs on, a system call each is cheaper than page tables and misses of the TLB.
constexpr std::uint64_t kLongRun = std::uint64_t{64} << 10;
// Single elements lie so that a window would hold few of those that are wanted together.
constexpr std::uint64_t kLongestElement = 8;
constexpr std::size_t kWindowBytes = std::size_t{64} << 10;
// Between runs of a window: more costs longer to copy along than another system call takes.
constexpr std::uint64_t kLongestGap = std::uint64_t{4} << 10;
// What is left out beyond this is a pattern that touches a few pages here and there.
constexpr std::uint64_t kMaxPopulateBytes = std::uint64_t{256} << 20;

Status ReadRunByRun(const GatherPattern& pattern, std::uint64_t offset, std::span<std::byte> destination) {
  Status status;
  ForEachRun(pattern, offset, destination.size(), [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
    status = pattern.source->ReadAt(from, destination.subspan(to, bytes));
    return status.ok();
  });
  return status;
}

// The runs from output byte `offset` on that ascend within one window.
struct Window {
  std::uint64_t first = 0;   // in the source
  std::uint64_t bytes = 0;   // of the source; of a first run that is longer than a window, all of it
  std::uint64_t output = 0;  // bytes of output that it holds
};

Window WindowAt(const GatherPattern& pattern, std::uint64_t offset, std::uint64_t count) {
  Window window;
  ForEachRun(pattern, offset, count, [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t) {
    const std::uint64_t end = window.first + window.bytes;
    const bool fits = from >= end && from - end <= kLongestGap && from + bytes - window.first <= kWindowBytes;
    if (window.output == 0) {
      window = {from, bytes, bytes};
    } else if (fits) {
      window.bytes = from + bytes - window.first;
      window.output += bytes;
    } else {
      return false;
    }
    return true;
  });
  return window;
}

Status ReadByWindows(const GatherPattern& pattern, std::uint64_t offset, std::span<std::byte> destination) {
  std::array<std::byte, kWindowBytes> bytes;
  while (!destination.empty()) {
    const Window window = WindowAt(pattern, offset, destination.size());
    const bool is_whole = window.bytes == window.output;
    const auto target = is_whole ? destination.first(window.bytes) : std::span(bytes).first(window.bytes);
    SHARDFS_RETURN_IF_ERROR(pattern.source->ReadAt(window.first, target));
    if (!is_whole) {
      ForEachRun(pattern, offset, window.output, [&](std::uint64_t from, std::uint64_t run, std::uint64_t to) {
        std::memcpy(destination.data() + to, bytes.data() + (from - window.first), run);
        return true;
      });
    }
    destination = destination.subspan(window.output);
    offset += window.output;
  }
  return Status::Ok();
}

}  // namespace

Status ReadGather(const GatherPattern& pattern, std::uint64_t offset, std::span<std::byte> destination) {
  if (destination.empty()) return Status::Ok();
  if (pattern.run >= kLongRun) return ReadRunByRun(pattern, offset, destination);
  const std::span<const std::byte> mapped = pattern.source->Mapped();
  if (mapped.empty()) return ReadRunByRun(pattern, offset, destination);
  const bool is_small = destination.size() <= kSmallReadBytes && pattern.run > kLongestElement;
  if (is_small) return ReadByWindows(pattern, offset, destination);
  const auto [first, bytes] = pattern.Bounds(offset, destination.size());
  // What is not in memory is left to faults, which read what is touched and what lies around it.
  if (bytes <= kMaxPopulateBytes && pattern.source->IsCached(first, bytes)) pattern.source->Populate(first, bytes);
  const bool whole =
      WithFaultGuard([&] { GatherBytes(pattern, mapped.data(), offset, destination.size(), destination.data()); });
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
