// LoraFactor: one of the two small matrices of a LoRA merge, read as F32 in the two orders that the product needs.
//
// A factor has `places` (the rows of B, or the columns of A) with `rank` elements each. B is stored place after place,
// A rank after rank.
//
// Immutable; const members from any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/read_plan.h"

namespace shardfs {

class LoraFactor {
 public:
  enum class Order : std::uint8_t { kPlaceByPlace, kRankByRank };

  // `plan` is of places * rank elements of `dtype`: F32, F16 or BF16.
  LoraFactor(ReadPlan plan, Dtype dtype, Order order, std::uint64_t places, std::uint64_t rank);

  std::uint64_t places() const { return places_; }
  std::uint64_t rank() const { return rank_; }

  // Elements [k, k + ranks) of places [place, place + places).
  struct Block {
    std::uint64_t place = 0;
    std::uint64_t places = 0;
    std::uint64_t k = 0;
    std::uint64_t ranks = 0;
  };

  // output[p * ranks + k], for place p and element k of the block.
  Status ReadRows(const Block& block, float* output) const;

  // Tiles of kLoraTileColumns places: output[(p / tile * ranks + k) * tile + p % tile]. Places that the last tile lacks
  // are 0.
  Status ReadTiles(const Block& block, float* output) const;

  // kSourceChanged when a source is not what it was: for a caller that has kept what it read.
  Status CheckUnchanged() const;

  // As ReadPlan::VisitSources, for places [place, place + places).
  void VisitSources(std::uint64_t place, std::uint64_t places,
                    const std::function<void(const SourceSpan&)>& visit) const;

 private:
  // Reads the block in runs of at most kRunElements and calls emit(place, k, run of elements, count): the elements
  // follow each other by k and then by place in kPlaceByPlace, by place alone in kRankByRank.
  template <typename Emit>
  Status ForEachRun(const Block& block, Emit&& emit) const;
  Status ReadRun(std::uint64_t element, std::uint64_t count, float* values) const;

  ReadPlan plan_;
  Dtype dtype_;
  Order order_;
  std::uint64_t places_;
  std::uint64_t rank_;
  std::vector<const ByteSource*> sources_;
};

}  // namespace shardfs
