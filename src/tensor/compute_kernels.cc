#include "tensor/compute_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "shardfs/source/fault_guard.h"

namespace shardfs {
namespace {

// Inputs pass through a buffer on the stack: large enough to make up for a plan's lookup and the guard behind a source
// (a system call), small enough for the L1 cache.
constexpr std::size_t kBlockBytes = 32 << 10;
constexpr std::size_t kMaxElementBytes = 8;
constexpr std::size_t kMaxInputs = 2;
// Elements converted straight from a mapped source at a time: few enough that the guard behind them comes soon.
constexpr std::uint64_t kDirectElements = std::uint64_t{1} << 20;

// Calls produce(first element, elements, output) for the elements that overlap `destination`, whole elements only and
// at most `block` at a time; what the range cuts off an element at either end goes by way of a spare one.
template <typename Produce>
Status ProduceElements(std::uint64_t offset, std::span<std::byte> destination, std::uint64_t element_bytes,
                       std::uint64_t block, Produce&& produce) {
  while (!destination.empty()) {
    const std::uint64_t element = offset / element_bytes;
    const std::uint64_t skip = offset % element_bytes;
    std::uint64_t bytes;
    if (skip != 0 || destination.size() < element_bytes) {
      std::array<std::byte, kMaxElementBytes> whole;
      SHARDFS_RETURN_IF_ERROR(produce(element, std::uint64_t{1}, whole.data()));
      bytes = std::min<std::uint64_t>(element_bytes - skip, destination.size());
      std::memcpy(destination.data(), whole.data() + skip, bytes);
    } else {
      const std::uint64_t elements = std::min<std::uint64_t>(destination.size() / element_bytes, block);
      SHARDFS_RETURN_IF_ERROR(produce(element, elements, destination.data()));
      bytes = elements * element_bytes;
    }
    offset += bytes;
    destination = destination.subspan(bytes);
  }
  return Status::Ok();
}

float LoadFloat(const std::byte* at, Dtype dtype) {
  if (dtype == Dtype::kF32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return std::bit_cast<float>(dtype == Dtype::kF16 ? F16ToF32(bits) : BF16ToF32(bits));
}

void StoreFloat(float value, Dtype dtype, std::byte* at) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (dtype == Dtype::kF32) {
    std::memcpy(at, &bits, sizeof bits);
    return;
  }
  const std::uint16_t narrow = dtype == Dtype::kF16 ? F32ToF16(bits) : F32ToBF16(bits);
  std::memcpy(at, &narrow, sizeof narrow);
}

}  // namespace

MapElements::MapElements(std::vector<ReadPlan> inputs, const ElementwiseKernel* kernel)
    : inputs_(std::move(inputs)),
      kernel_(kernel),
      from_bytes_(DtypeBytes(kernel->input)),
      to_bytes_(DtypeBytes(kernel->output)) {}

std::uint64_t MapElements::size() const { return inputs_.front().size() / from_bytes_ * to_bytes_; }

Status MapElements::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  return ProduceElements(offset, destination, to_bytes_, kDirectElements,
                         [this](std::uint64_t element, std::uint64_t elements, std::byte* output) {
                           if (inputs_.size() == 1) {
                             const auto mapped = inputs_[0].FindMapped(element * from_bytes_, elements * from_bytes_);
                             if (mapped) return ApplyMapped(*mapped, element, elements, output);
                           }
                           return ApplyStaged(element, elements, output);
                         });
}

Status MapElements::Disagreement(std::uint64_t first, std::uint64_t elements) const {
  std::string places;
  VisitSources(first * to_bytes_, elements * to_bytes_, [&places](const SourceSpan& span) {
    if (!places.empty()) places += " and ";
    places += fmt::format("'{}' at byte {}", span.source->name(), span.offset);
  });
  return Status::Corruption(fmt::format("values of the source that must agree differ: {}", places));
}

Status MapElements::ApplyMapped(const ReadPlan::MappedRange& mapped, std::uint64_t first, std::uint64_t elements,
                                std::byte* output) const {
  mapped.source->Populate(mapped.offset, elements * from_bytes_);
  bool agrees = true;
  const bool whole = WithFaultGuard([&] { agrees = kernel_->apply(&mapped.bytes, output, elements); });
  SHARDFS_RETURN_IF_ERROR(mapped.source->CheckUnchanged());
  if (!whole) return Status::IoError(fmt::format("{}: a mapped page could not be read", mapped.source->name()));
  return agrees ? Status::Ok() : Disagreement(first, elements);
}

Status MapElements::ApplyStaged(std::uint64_t first, std::uint64_t elements, std::byte* output) const {
  std::array<std::byte, kBlockBytes> block;
  const std::uint64_t share = kBlockBytes / inputs_.size();  // of each input; stacks stay small that way
  while (elements > 0) {
    const std::uint64_t step = std::min<std::uint64_t>(elements, share / from_bytes_);
    std::array<const std::byte*, kMaxInputs> operands{};
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const auto operand = std::span(block).subspan(i * share, step * from_bytes_);
      SHARDFS_RETURN_IF_ERROR(inputs_[i].ReadAt(first * from_bytes_, operand));
      operands[i] = operand.data();
    }
    if (!kernel_->apply(operands.data(), output, step)) return Disagreement(first, step);
    first += step;
    elements -= step;
    output += step * to_bytes_;
  }
  return Status::Ok();
}

void MapElements::VisitSources(std::uint64_t offset, std::uint64_t size,
                               const std::function<void(const SourceSpan&)>& visit) const {
  const std::uint64_t first = offset / to_bytes_;
  const std::uint64_t last = (offset + size + to_bytes_ - 1) / to_bytes_;
  for (const ReadPlan& input : inputs_) input.VisitSources(first * from_bytes_, (last - first) * from_bytes_, visit);
}

ObserveKernel::ObserveKernel(ReadPlan input, std::shared_ptr<const ReadObserver> observer)
    : input_(std::move(input)), observer_(std::move(observer)) {}

Status ObserveKernel::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  SHARDFS_RETURN_IF_ERROR(input_.ReadAt(offset, destination));
  observer_->Observe(offset, destination);
  return Status::Ok();
}

void ObserveKernel::VisitSources(std::uint64_t offset, std::uint64_t size,
                                 const std::function<void(const SourceSpan&)>& visit) const {
  input_.VisitSources(offset, size, visit);
}

SubtractMinKernel::SubtractMinKernel(ReadPlan input, Dtype dtype)
    : input_(std::move(input)), dtype_(dtype), element_bytes_(DtypeBytes(dtype)) {}

Status SubtractMinKernel::FindMinimum(float* minimum) const {
  constexpr std::uint64_t kKnown = std::uint64_t{1} << 32;
  if (const std::uint64_t known = minimum_.load(std::memory_order_relaxed); known != 0) {
    *minimum = std::bit_cast<float>(static_cast<std::uint32_t>(known));
    return Status::Ok();
  }
  std::array<std::byte, kBlockBytes> block;
  bool first = true;
  for (std::uint64_t offset = 0; offset < input_.size(); offset += kBlockBytes) {
    const auto part = std::span(block).first(std::min<std::uint64_t>(kBlockBytes, input_.size() - offset));
    SHARDFS_RETURN_IF_ERROR(input_.ReadAt(offset, part));
    for (std::size_t at = 0; at < part.size(); at += element_bytes_) {
      const float value = LoadFloat(part.data() + at, dtype_);
      if (first || value < *minimum || (std::isnan(value) && !std::isnan(*minimum))) *minimum = value;
      first = false;
    }
  }
  minimum_.store(kKnown | std::bit_cast<std::uint32_t>(*minimum), std::memory_order_relaxed);
  return Status::Ok();
}

Status SubtractMinKernel::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  float minimum = 0;
  SHARDFS_RETURN_IF_ERROR(FindMinimum(&minimum));
  std::array<std::byte, kBlockBytes> block;
  return ProduceElements(offset, destination, element_bytes_, kBlockBytes / element_bytes_,
                         [&](std::uint64_t element, std::uint64_t elements, std::byte* output) {
                           const auto input = std::span(block).first(elements * element_bytes_);
                           SHARDFS_RETURN_IF_ERROR(input_.ReadAt(element * element_bytes_, input));
                           for (std::uint64_t at = 0; at < input.size(); at += element_bytes_) {
                             StoreFloat(LoadFloat(input.data() + at, dtype_) - minimum, dtype_, output + at);
                           }
                           return Status::Ok();
                         });
}

void SubtractMinKernel::VisitSources(std::uint64_t, std::uint64_t,
                                     const std::function<void(const SourceSpan&)>& visit) const {
  input_.VisitSources(0, input_.size(), visit);
}

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
