// A row is what lies along the last axis: its codes are one run of the output, and its scales one run of the scales.
// Codes pass through a buffer in the L1 cache, many rows at a time. Scales pass through a window of F32 values; rows of
// one block find theirs in it, and where each row has scales of its own, the window takes those of as many rows as fit.
#include "tensor/ops/block_scale_kernel.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "shardfs/tensor/cast_kernels.h"
#include "tensor/ops/produce_elements.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kCodeBytes = 16 << 10;
constexpr std::uint64_t kWindowScales = 2048;

float LoadScale(const std::byte* at, Dtype dtype) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, DtypeBytes(dtype));
  switch (dtype) {
    case Dtype::kBF16:
      return std::bit_cast<float>(BF16ToF32(static_cast<std::uint16_t>(bits)));
    case Dtype::kF16:
      return std::bit_cast<float>(F16ToF32(static_cast<std::uint16_t>(bits)));
    case Dtype::kF8E8M0:  // 2^(bits - 127); 255 is NaN
      if (bits == 255) return std::numeric_limits<float>::quiet_NaN();
      return std::bit_cast<float>(bits == 0 ? std::uint32_t{1} << 22 : bits << 23);
    default:
      return std::bit_cast<float>(bits);
  }
}

}  // namespace

bool IsScaleDtype(Dtype dtype) { return IsFloat(dtype) || dtype == Dtype::kF8E8M0; }

// Scales [begin, end) as F32, of a range that is loaded when it is asked for.
class BlockScaleKernel::ScaleWindow {
 public:
  ScaleWindow(const ReadPlan& scales, Dtype dtype) : scales_(scales), dtype_(dtype), width_(DtypeBytes(dtype)) {}

  // Makes scales [first, first + count) available, count <= kWindowScales, and with them up to `wanted` if they have to
  // be loaded.
  Status Require(std::uint64_t first, std::uint64_t count, std::uint64_t wanted) {
    if (first >= begin_ && first + count <= end_) return Status::Ok();
    const std::uint64_t most = std::min(kWindowScales, scales_.size() / width_ - first);
    const std::uint64_t loaded = std::min(std::max(count, wanted), most);
    const auto bytes = std::span(bytes_).first(loaded * width_);
    SHARDFS_RETURN_IF_ERROR(scales_.ReadAt(first * width_, bytes));
    for (std::uint64_t i = 0; i < loaded; ++i) values_[i] = LoadScale(bytes.data() + i * width_, dtype_);
    begin_ = first;
    end_ = first + loaded;
    return Status::Ok();
  }

  float At(std::uint64_t scale) const { return values_[scale - begin_]; }

 private:
  const ReadPlan& scales_;
  Dtype dtype_;
  std::uint64_t width_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::array<float, kWindowScales> values_;
  std::array<std::byte, kWindowScales * sizeof(float)> bytes_;
};

BlockScaleKernel::BlockScaleKernel(ReadPlan codes, ReadPlan scales, const Shape& shape, const Shape& scale_shape,
                                   std::vector<BlockAxis> axes, Dtype scale_dtype,
                                   std::shared_ptr<const std::function<void()>> on_nan)
    : codes_(std::move(codes)),
      scales_(std::move(scales)),
      axes_(std::move(axes)),
      scale_dtype_(scale_dtype),
      scale_(FindE4M3ScaleKernel()),
      on_nan_(std::move(on_nan)) {
  if (shape.empty()) return;  // one code and one scale
  inner_ = axes_.back();
  row_ = shape.back();
  row_scales_ = scale_shape.back();
  axes_.pop_back();
  outer_sizes_.assign(shape.begin(), shape.end() - 1);
  outer_strides_.resize(outer_sizes_.size());
  std::uint64_t stride = row_scales_;
  for (std::size_t a = outer_sizes_.size(); a-- > 0;) {
    outer_strides_[a] = stride;
    stride *= scale_shape[a];
  }
}

std::uint64_t BlockScaleKernel::ScaleRowOf(std::uint64_t row) const {
  std::uint64_t scale = 0;
  for (std::size_t a = outer_sizes_.size(); a-- > 0;) {
    scale += axes_[a].BlockOf(row % outer_sizes_[a]) * outer_strides_[a];
    row /= outer_sizes_[a];
  }
  return scale;
}

Status BlockScaleKernel::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  return ProduceElements(offset, destination, 2, std::numeric_limits<std::uint64_t>::max(),
                         [this](std::uint64_t element, std::uint64_t elements, std::byte* output) {
                           return Produce(element, elements, output);
                         });
}

Status BlockScaleKernel::Produce(std::uint64_t first, std::uint64_t elements, std::byte* output) const {
  std::array<std::byte, kCodeBytes> codes;
  ScaleWindow window(scales_, scale_dtype_);
  bool has_nan = false;
  while (elements > 0) {
    const std::uint64_t step = std::min(elements, kCodeBytes);
    SHARDFS_RETURN_IF_ERROR(codes_.ReadAt(first, std::span(codes).first(step)));
    for (std::uint64_t done = 0; done < step;) {
      const std::uint64_t count = std::min(row_ - (first + done) % row_, step - done);
      SHARDFS_RETURN_IF_ERROR(
          ProduceRow(first + done, count, codes.data() + done, &window, output + 2 * done, &has_nan));
      done += count;
    }
    first += step;
    elements -= step;
    output += 2 * step;
  }
  if (has_nan && on_nan_ != nullptr) (*on_nan_)();
  return Status::Ok();
}

// Produces elements [first, first + count), which lie in one row.
Status BlockScaleKernel::ProduceRow(std::uint64_t first, std::uint64_t count, const std::byte* codes,
                                    ScaleWindow* window, std::byte* output, bool* has_nan) const {
  const std::uint64_t row_begin = ScaleRowOf(first / row_);
  const std::uint64_t column = first % row_;
  const std::uint64_t wanted = axes_.empty() || axes_.back().size == 1 ? kWindowScales : 0;
  std::uint64_t at = 0;
  while (at < count) {
    const std::uint64_t block = inner_.BlockOf(column + at);
    const std::uint64_t last = inner_.BlockOf(column + count - 1);
    const std::uint64_t blocks = std::min(last - block + 1, kWindowScales);
    SHARDFS_RETURN_IF_ERROR(window->Require(row_begin + block, blocks, wanted));
    for (std::uint64_t b = block; b < block + blocks; ++b) {
      const std::uint64_t end = std::min((b + 1) * inner_.size - inner_.missing - column, count);
      *has_nan |= scale_(codes + at, window->At(row_begin + b), output + 2 * at, end - at);
      at = end;
    }
  }
  return Status::Ok();
}

void BlockScaleKernel::VisitSources(std::uint64_t offset, std::uint64_t size,
                                    const std::function<void(const SourceSpan&)>& visit) const {
  if (size == 0) return;
  const std::uint64_t first = offset / 2;
  const std::uint64_t last = (offset + size - 1) / 2;
  codes_.VisitSources(first, last - first + 1, visit);
  // The scales of each row are one run; those of rows that share theirs are named once.
  const std::uint64_t width = DtypeBytes(scale_dtype_);
  const bool is_one_row = first / row_ == last / row_;
  const std::uint64_t low = is_one_row ? inner_.BlockOf(first % row_) : 0;
  const std::uint64_t high = is_one_row ? inner_.BlockOf(last % row_) : row_scales_ - 1;
  std::uint64_t named = std::numeric_limits<std::uint64_t>::max();
  for (std::uint64_t row = first / row_; row <= last / row_; ++row) {
    const std::uint64_t begin = ScaleRowOf(row);
    if (begin == named) continue;
    named = begin;
    scales_.VisitSources((begin + low) * width, (high - low + 1) * width, visit);
  }
}

}  // namespace shardfs
