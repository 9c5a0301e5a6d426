// LoraAddKernel: reads ranges of W + s * (B @ A). (ops/lora_add.h)
//
// Immutable; read from any number of threads. What a thread has widened of the last kernel's A it keeps for its next
// read, 4 MiB at most: a kernel's own memory does not depend on the size of its factors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "shardfs/tensor/cast_kernels.h"
#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"
#include "tensor/lora_kernels.h"
#include "tensor/ops/lora_factor.h"
#include "tensor/plan_segments.h"

namespace shardfs {

// The factor whose places an axis of the merged tensor counts.
enum class LoraAxis : std::uint8_t { kRowsOfB, kColumnsOfA };

// What is done with the sums of products.
struct LoraRule {
  float start = 0.0f;           // what a sum begins with
  float scale = 1.0f;           // what it is multiplied by
  bool rounds_product = false;  // whether that is rounded to the base's dtype before it is added
};

class LoraAddKernel final : public ComputeKernel {
 public:
  // `axes` are those of `shape`, which has elements. B's places are the indices of its axes in row-major order, and A's
  // those of its own.
  LoraAddKernel(ReadPlan base, Dtype dtype, const Shape& shape, std::span<const LoraAxis> axes, LoraFactor b,
                LoraFactor a, LoraRule rule);

  std::string_view name() const override { return "LoRA sum"; }
  std::vector<const ReadPlan*> inputs() const override { return {&base_}; }
  std::uint64_t size() const override { return base_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  struct Scratch;
  static Scratch* ThreadScratch();

  // A row of the output is what lies along the innermost axes of one factor: one place of the other factor (`row`), and
  // a run of places of this one, from `column`.
  struct RowPlace {
    std::uint64_t row = 0;
    std::uint64_t column = 0;
  };
  RowPlace PlaceOf(std::uint64_t output_row) const;
  // How many output rows from `output_row` on, at most `limit`, are at successive rows and one column.
  std::uint64_t RunFrom(std::uint64_t output_row, std::uint64_t limit) const;

  // Places [row, row + rows) by [column, column + columns) of the product, and where the base's bytes stand that become
  // the results. Output rows are row_ elements apart.
  struct Rectangle {
    std::uint64_t row = 0;
    std::uint64_t rows = 0;
    std::uint64_t column = 0;
    std::uint64_t columns = 0;
    std::byte* output = nullptr;
  };
  Status Produce(std::uint64_t first, std::uint64_t elements, std::byte* output) const;
  Status Merge(const Rectangle& rectangle, Scratch* scratch) const;
  Status MergeLongChains(const Rectangle& rectangle, Scratch* scratch) const;
  void MergeTiles(const Rectangle& rectangle, Scratch* scratch) const;
  void Sum(const LoraRows& rows, const float* tiles, std::uint64_t count, std::uint64_t ranks, Scratch* scratch) const;
  void Finish(const Rectangle& part, std::uint64_t skipped, Scratch* scratch) const;
  Status RequireColumns(std::uint64_t column, std::uint64_t columns, Scratch* scratch) const;

  const std::uint64_t id_;  // of this kernel, among all of the program
  ReadPlan base_;
  std::uint64_t width_;  // bytes of an element
  LoraFactor rows_;      // B, or A where the innermost axis is B's
  LoraFactor columns_;   // the other
  LoraRule rule_;
  LoraSumKernel sum_;
  CastKernel widen_;  // of the base's dtype; null for F32, as is the next
  CastKernel narrow_;
  std::uint64_t row_ = 1;  // elements of an output row
  struct OuterAxis {
    std::uint64_t size = 1;
    std::uint64_t stride = 1;  // in places
    bool is_row = true;
  };
  std::vector<OuterAxis> outer_;
};

}  // namespace shardfs
