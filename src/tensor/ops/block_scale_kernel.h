// BlockScaleKernel: reads ranges of a tensor of E4M3 codes with a scale for each block. (ops/block_scale.h)
//
// Immutable; read from any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"
#include "tensor/fp8_kernels.h"
#include "tensor/plan_segments.h"

namespace shardfs {

// The blocks along one axis, of which the first lacks `missing` indices in front.
struct BlockAxis {
  std::uint64_t size = 1;     // indices in a block, at least 1
  std::uint64_t missing = 0;  // below size

  std::uint64_t BlockOf(std::uint64_t index) const { return (index + missing) / size; }
  std::uint64_t Blocks(std::uint64_t indices) const { return indices == 0 ? 0 : BlockOf(indices - 1) + 1; }
};

// F32, BF16, F16, F8_E8M0.
bool IsScaleDtype(Dtype dtype);

class BlockScaleKernel final : public ComputeKernel {
 public:
  // The plans are of tensors of these shapes, which have as many axes as there are `axes`. `on_nan` may be null.
  BlockScaleKernel(ReadPlan codes, ReadPlan scales, const Shape& shape, const Shape& scale_shape,
                   std::vector<BlockAxis> axes, Dtype scale_dtype, std::shared_ptr<const std::function<void()>> on_nan);

  std::string_view name() const override { return "block scale"; }
  std::vector<const ReadPlan*> inputs() const override { return {&codes_, &scales_}; }
  std::uint64_t size() const override { return 2 * codes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  void VisitSources(std::uint64_t offset, std::uint64_t size,
                    const std::function<void(const SourceSpan&)>& visit) const override;

 private:
  class ScaleWindow;

  Status Produce(std::uint64_t first, std::uint64_t elements, std::byte* output) const;
  Status ProduceRow(std::uint64_t first, std::uint64_t count, const std::byte* codes, ScaleWindow* window,
                    std::byte* output, bool* has_nan) const;
  std::uint64_t ScaleRowOf(std::uint64_t row) const;  // where the row's scales begin, in scales

  ReadPlan codes_;
  ReadPlan scales_;
  std::vector<std::uint64_t> outer_sizes_;    // of the axes in front of the last
  std::vector<std::uint64_t> outer_strides_;  // of the same axes, in scales
  std::vector<BlockAxis> axes_;               // of the same axes
  BlockAxis inner_;                           // of the last axis
  std::uint64_t row_ = 1;                     // elements along the last axis
  std::uint64_t row_scales_ = 1;
  Dtype scale_dtype_;
  E4M3ScaleKernel scale_;
  std::shared_ptr<const std::function<void()>> on_nan_;
};

}  // namespace shardfs
