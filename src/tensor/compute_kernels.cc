#include "tensor/compute_kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace shardfs {
namespace {

// Several rounds pass through a buffer on the stack, small enough for the L1 cache.
constexpr std::size_t kBlockBytes = 32 << 10;

}  // namespace

Interleave::Interleave(std::vector<Part> parts, std::uint64_t rounds) : parts_(std::move(parts)), rounds_(rounds) {
  for (const Part& part : parts_) {
    starts_.push_back(period_);
    period_ += part.chunk;
    largest_chunk_ = std::max(largest_chunk_, part.chunk);
  }
}

Status Interleave::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  // Up to where a round begins; whole rounds; what is left.
  const std::uint64_t head = std::min<std::uint64_t>((period_ - offset % period_) % period_, destination.size());
  SHARDFS_RETURN_IF_ERROR(ReadByChunks(offset, destination.first(head)));
  offset += head;
  destination = destination.subspan(head);
  const std::uint64_t rounds = destination.size() / period_;
  SHARDFS_RETURN_IF_ERROR(ReadRounds(offset / period_, rounds, destination.data()));
  return ReadByChunks(offset + rounds * period_, destination.subspan(rounds * period_));
}

Status Interleave::ReadByChunks(std::uint64_t offset, std::span<std::byte> destination) const {
  std::uint64_t round = offset / period_;
  const std::uint64_t within = offset % period_;
  std::size_t part =
      static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), within) - starts_.begin()) - 1;
  std::uint64_t skip = within - starts_[part];
  while (!destination.empty()) {
    const std::uint64_t chunk = parts_[part].chunk;
    const std::uint64_t bytes = std::min<std::uint64_t>(chunk - skip, destination.size());
    SHARDFS_RETURN_IF_ERROR(parts_[part].plan.ReadAt(round * chunk + skip, destination.first(bytes)));
    destination = destination.subspan(bytes);
    skip = 0;
    if (++part == parts_.size()) {
      part = 0;
      ++round;
    }
  }
  return Status::Ok();
}

// A chunk at a time would cost a lookup and a guard of the source, and where the part is a transpose, one row of it,
// for what is often a few hundred bytes: several rounds of a part are read into a block and dealt out from there.
Status Interleave::ReadRounds(std::uint64_t round, std::uint64_t rounds, std::byte* output) const {
  const std::uint64_t in_block = kBlockBytes / largest_chunk_;
  if (in_block < 2) return ReadByChunks(round * period_, {output, rounds * period_});
  std::array<std::byte, kBlockBytes> block;
  while (rounds > 0) {
    const std::uint64_t step = std::min(rounds, in_block);
    for (std::size_t p = 0; p < parts_.size(); ++p) {
      const std::uint64_t chunk = parts_[p].chunk;
      SHARDFS_RETURN_IF_ERROR(parts_[p].plan.ReadAt(round * chunk, std::span(block).first(step * chunk)));
      for (std::uint64_t r = 0; r < step; ++r) {
        std::memcpy(output + r * period_ + starts_[p], block.data() + r * chunk, chunk);
      }
    }
    round += step;
    rounds -= step;
    output += step * period_;
  }
  return Status::Ok();
}

void Interleave::VisitSources(std::uint64_t offset, std::uint64_t size,
                              const std::function<void(const SourceSpan&)>& visit) const {
  const std::uint64_t first = offset / period_;
  const std::uint64_t last = (offset + size + period_ - 1) / period_;
  for (const Part& part : parts_) part.plan.VisitSources(first * part.chunk, (last - first) * part.chunk, visit);
}

StridedKernel::StridedKernel(ReadPlan input, GatherPattern pattern)
    : input_(std::move(input)), pattern_(std::move(pattern)) {}

Status StridedKernel::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  Status status;
  ForEachRun(pattern_, offset, destination.size(), [&](std::uint64_t from, std::uint64_t bytes, std::uint64_t to) {
    status = input_.ReadAt(from, destination.subspan(to, bytes));
    return status.ok();
  });
  return status;
}

void StridedKernel::VisitSources(std::uint64_t offset, std::uint64_t size,
                                 const std::function<void(const SourceSpan&)>& visit) const {
  const auto [first, bytes] = pattern_.Bounds(offset, size);
  input_.VisitSources(first, bytes, visit);
}

}  // namespace shardfs
