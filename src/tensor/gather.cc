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

// Single elements that are no transpose: a loop of constant-size moves.
template <typename Element>
bool GatherElements(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                    std::byte* output) {
  return ForEachRun(pattern, offset, count, [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
    if (bytes == sizeof(Element)) [[likely]] {
      std::memcpy(output + to, input + from, sizeof(Element));
    } else {
      std::memcpy(output + to, input + from, bytes);
    }
    return true;
  });
}

bool GatherMapped(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                  std::byte* output) {
  if (IsTranspose(pattern)) {
    GatherTransposed(pattern, input, offset, count, output);
    return true;
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
      return ForEachRun(pattern, offset, count, [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
        std::memcpy(output + to, input + from, bytes);
        return true;
      });
  }
}

}  // namespace

Status ReadGather(const GatherPattern& pattern, std::uint64_t offset, std::span<std::byte> destination) {
  const std::span<const std::byte> mapped = pattern.source->Mapped();
  if (mapped.empty()) {
    Status status;
    ForEachRun(pattern, offset, destination.size(), [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
      status = pattern.source->ReadAt(from, destination.subspan(to, bytes));
      return status.ok();
    });
    return status;
  }
  const bool whole =
      WithFaultGuard([&] { GatherMapped(pattern, mapped.data(), offset, destination.size(), destination.data()); });
  // A truncated file shows zeros up to the end of its last page before it faults: only the guard behind the copy
  // tells those from bytes.
  SHARDFS_RETURN_IF_ERROR(pattern.source->CheckUnchanged());
  if (!whole) {
    return Status::IoError(fmt::format("{}: a mapped page near byte {} could not be read", pattern.source->name(),
                                       pattern.Bounds(offset, destination.size()).first));
  }
  return Status::Ok();
}

}  // namespace shardfs
