#include "tensor/ops/lora_factor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "shardfs/tensor/cast_kernels.h"
#include "tensor/lora_kernels.h"

namespace shardfs {
namespace {

// Elements on their way to F32: 32 KiB of each form on the stack.
constexpr std::uint64_t kRunElements = 8192;

constexpr std::uint64_t kTile = kLoraTileColumns;

}  // namespace

LoraFactor::LoraFactor(ReadPlan plan, Dtype dtype, Order order, std::uint64_t places, std::uint64_t rank)
    : plan_(std::move(plan)), dtype_(dtype), order_(order), places_(places), rank_(rank) {
  plan_.VisitSources(0, plan_.size(), [this](const SourceSpan& span) {
    if (std::find(sources_.begin(), sources_.end(), span.source) == sources_.end()) sources_.push_back(span.source);
  });
}

Status LoraFactor::CheckUnchanged() const {
  for (const ByteSource* const source : sources_) SHARDFS_RETURN_IF_ERROR(source->CheckUnchanged());
  return Status::Ok();
}

Status LoraFactor::ReadRun(std::uint64_t element, std::uint64_t count, float* values) const {
  const std::uint64_t width = DtypeBytes(dtype_);
  auto* const output = reinterpret_cast<std::byte*>(values);
  if (dtype_ == Dtype::kF32) return plan_.ReadAt(element * width, {output, count * width});
  std::array<std::byte, kRunElements * sizeof(std::uint16_t)> bytes;
  SHARDFS_RETURN_IF_ERROR(plan_.ReadAt(element * width, std::span(bytes).first(count * width)));
  FindCastKernel(dtype_, Dtype::kF32)(bytes.data(), output, count);
  return Status::Ok();
}

template <typename Emit>
Status LoraFactor::ForEachRun(const Block& block, Emit&& emit) const {
  std::array<float, kRunElements> run;
  if (order_ == Order::kRankByRank) {
    for (std::uint64_t k = 0; k < block.ranks; ++k) {
      for (std::uint64_t p = 0; p < block.places; p += kRunElements) {
        const std::uint64_t count = std::min(kRunElements, block.places - p);
        SHARDFS_RETURN_IF_ERROR(ReadRun((block.k + k) * places_ + block.place + p, count, run.data()));
        emit(p, k, run.data(), count);
      }
    }
    return Status::Ok();
  }
  const bool is_whole = block.ranks == rank_;
  // Whole places as many as fit, or a part of one.
  const std::uint64_t step = is_whole ? std::max<std::uint64_t>(kRunElements / rank_, 1) : 1;
  for (std::uint64_t p = 0; p < block.places; p += step) {
    const std::uint64_t places = std::min(step, block.places - p);
    const std::uint64_t elements = places * block.ranks;
    for (std::uint64_t k = 0; k < elements; k += kRunElements) {
      const std::uint64_t count = std::min(kRunElements, elements - k);
      SHARDFS_RETURN_IF_ERROR(ReadRun((block.place + p) * rank_ + block.k + k, count, run.data()));
      emit(p, k, run.data(), count);
    }
  }
  return Status::Ok();
}

Status LoraFactor::ReadRows(const Block& block, float* output) const {
  return ForEachRun(block, [&](std::uint64_t p, std::uint64_t k, const float* run, std::uint64_t count) {
    if (order_ == Order::kPlaceByPlace) {
      std::memcpy(output + p * block.ranks + k, run, count * sizeof(float));
    } else {
      for (std::uint64_t i = 0; i < count; ++i) output[(p + i) * block.ranks + k] = run[i];
    }
  });
}

Status LoraFactor::ReadTiles(const Block& block, float* output) const {
  if (block.places % kTile != 0) {
    std::fill_n(output + block.places / kTile * block.ranks * kTile, block.ranks * kTile, 0.0f);
  }
  const auto tile_row = [&](std::uint64_t p, std::uint64_t k) {
    return output + (p / kTile * block.ranks + k) * kTile;
  };
  return ForEachRun(block, [&](std::uint64_t p, std::uint64_t k, const float* run, std::uint64_t count) {
    if (order_ == Order::kRankByRank) {  // p is at a tile's begin: runs are whole tiles
      for (std::uint64_t i = 0; i < count; i += kTile) {
        std::memcpy(tile_row(p + i, k), run + i, std::min(kTile, count - i) * sizeof(float));
      }
      return;
    }
    if (count < block.ranks) {  // a part of one place
      for (std::uint64_t i = 0; i < count; ++i) tile_row(p, k + i)[p % kTile] = run[i];
      return;
    }
    for (std::uint64_t i = 0; i < count / block.ranks; ++i) {
      float* const column = tile_row(p + i, 0) + (p + i) % kTile;
      for (std::uint64_t j = 0; j < block.ranks; ++j) column[j * kTile] = run[i * block.ranks + j];
    }
  });
}

void LoraFactor::VisitSources(std::uint64_t place, std::uint64_t places,
                              const std::function<void(const SourceSpan&)>& visit) const {
  const std::uint64_t width = DtypeBytes(dtype_);
  if (order_ == Order::kPlaceByPlace) {
    plan_.VisitSources(place * rank_ * width, places * rank_ * width, visit);
  } else {  // a run of each rank; from the first to the last of them
    plan_.VisitSources(place * width, ((rank_ - 1) * places_ + places) * width, visit);
  }
}

}  // namespace shardfs
