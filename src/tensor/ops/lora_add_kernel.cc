// A read takes the base's bytes into the caller's buffer at once, and then turns them into results where they stand:
// a rectangle of the product after the other (the first row, of which a part may be missing, the whole rows, the last
// row). Of a rectangle, the columns come as tiles, and stay in the thread's scratch for the next read of this kernel;
// four rows at a time meet as many columns as stay in the L1 cache, through all of the rank. Factors of a rank beyond
// kMaxRanks come in pieces of the chain instead, and are kept nowhere.
#include "tensor/ops/lora_add_kernel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <new>

#include "tensor/ops/produce_elements.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kTile = kLoraTileColumns;
constexpr std::uint64_t kUnitTiles = 4;  // with their sums they stay in the L1 cache at the usual ranks
constexpr std::uint64_t kUnit = kUnitTiles * kTile;
constexpr std::uint64_t kMaxRanks = 2048;
constexpr std::uint64_t kColumnFloats = std::uint64_t{1} << 20;
constexpr std::uint64_t kRowFloats = std::uint64_t{1} << 16;

// Runs of output rows that VisitSources tells one by one; behind them, it tells the whole factor.
constexpr int kVisitedRuns = 16;

std::uint64_t NextId() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

struct LoraAddKernel::Scratch {
  std::uint64_t kernel = 0;  // whose columns these are; 0 for none's
  std::uint64_t begin = 0;   // places [begin, end)
  std::uint64_t end = 0;
  std::array<float, kColumnFloats> columns;
  std::array<float, kRowFloats> rows;
  std::array<float, kLoraTileRows * kUnit> sums;
  std::array<float, kUnit> values;
  std::array<float, kUnit> products;
};

// Pages of it that no read has needed are never touched.
LoraAddKernel::Scratch* LoraAddKernel::ThreadScratch() {
  thread_local const std::unique_ptr<Scratch> scratch(new (std::nothrow) Scratch);
  return scratch.get();
}

LoraAddKernel::LoraAddKernel(ReadPlan base, Dtype dtype, const Shape& shape, std::span<const LoraAxis> axes,
                             LoraFactor b, LoraFactor a, LoraRule rule)
    : id_(NextId()),
      base_(std::move(base)),
      width_(DtypeBytes(dtype)),
      rows_(!axes.empty() && axes.back() == LoraAxis::kRowsOfB ? a : b),
      columns_(!axes.empty() && axes.back() == LoraAxis::kRowsOfB ? std::move(b) : std::move(a)),
      rule_(rule),
      sum_(FindLoraSumKernel()),
      widen_(FindCastKernel(dtype, Dtype::kF32)),
      narrow_(FindCastKernel(Dtype::kF32, dtype)) {
  std::uint64_t strides[2] = {1, 1};  // of the rows' factor and of the columns'
  std::size_t axis = axes.size();
  for (; axis > 0 && axes[axis - 1] == axes.back(); --axis) row_ *= shape[axis - 1];
  strides[1] = row_;
  for (; axis > 0; --axis) {
    const bool is_row = axes[axis - 1] != axes.back();
    std::uint64_t& stride = strides[is_row ? 0 : 1];
    outer_.push_back({shape[axis - 1], stride, is_row});
    stride *= shape[axis - 1];
  }
}

LoraAddKernel::RowPlace LoraAddKernel::PlaceOf(std::uint64_t output_row) const {
  RowPlace place;
  for (const OuterAxis& axis : outer_) {  // the innermost first
    (axis.is_row ? place.row : place.column) += output_row % axis.size * axis.stride;
    output_row /= axis.size;
  }
  return place;
}

std::uint64_t LoraAddKernel::RunFrom(std::uint64_t output_row, std::uint64_t limit) const {
  if (outer_.size() == 1 && outer_[0].is_row) return limit;
  const RowPlace first = PlaceOf(output_row);
  std::uint64_t run = 1;
  for (; run < limit; ++run) {
    const RowPlace next = PlaceOf(output_row + run);
    if (next.column != first.column || next.row != first.row + run) break;
  }
  return run;
}

Status LoraAddKernel::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  return ProduceElements(offset, destination, width_, std::numeric_limits<std::uint64_t>::max(),
                         [this](std::uint64_t element, std::uint64_t elements, std::byte* output) {
                           return Produce(element, elements, output);
                         });
}

Status LoraAddKernel::Produce(std::uint64_t first, std::uint64_t elements, std::byte* output) const {
  SHARDFS_RETURN_IF_ERROR(base_.ReadAt(first * width_, {output, elements * width_}));
  Scratch* const scratch = ThreadScratch();
  if (scratch == nullptr) return Status::ResourceExhausted("no memory for the columns of a LoRA adapter");
  // A read of more than a row needs all columns, whichever of them comes first.
  if (elements > row_ && columns_.rank() <= kMaxRanks && row_ <= kColumnFloats / columns_.rank() - kTile) {
    SHARDFS_RETURN_IF_ERROR(RequireColumns(PlaceOf(first / row_).column, row_, scratch));
  }
  while (elements > 0) {
    const std::uint64_t output_row = first / row_;
    const std::uint64_t skipped = first % row_;
    const RowPlace place = PlaceOf(output_row);
    Rectangle rectangle{place.row, 1, place.column + skipped, std::min(row_ - skipped, elements), output};
    if (rectangle.columns == row_) rectangle.rows = RunFrom(output_row, elements / row_);
    SHARDFS_RETURN_IF_ERROR(columns_.rank() <= kMaxRanks ? Merge(rectangle, scratch)
                                                         : MergeLongChains(rectangle, scratch));
    const std::uint64_t done = rectangle.rows * rectangle.columns;
    first += done;
    elements -= done;
    output += done * width_;
  }
  return Status::Ok();
}

Status LoraAddKernel::RequireColumns(std::uint64_t column, std::uint64_t columns, Scratch* scratch) const {
  if (scratch->kernel == id_ && scratch->begin <= column && column + columns <= scratch->end) {
    return columns_.CheckUnchanged();
  }
  scratch->kernel = 0;
  SHARDFS_RETURN_IF_ERROR(columns_.ReadTiles({column, columns, 0, columns_.rank()}, scratch->columns.data()));
  scratch->kernel = id_;
  scratch->begin = column;
  scratch->end = column + columns;
  return Status::Ok();
}

Status LoraAddKernel::Merge(const Rectangle& rectangle, Scratch* scratch) const {
  const std::uint64_t rank = columns_.rank();
  const std::uint64_t most_columns = kColumnFloats / rank / kTile * kTile;
  const std::uint64_t most_rows = kRowFloats / rank;
  for (std::uint64_t c = 0; c < rectangle.columns; c += most_columns) {
    const std::uint64_t columns = std::min(most_columns, rectangle.columns - c);
    SHARDFS_RETURN_IF_ERROR(RequireColumns(rectangle.column + c, columns, scratch));
    for (std::uint64_t r = 0; r < rectangle.rows; r += most_rows) {
      const std::uint64_t rows = std::min(most_rows, rectangle.rows - r);
      SHARDFS_RETURN_IF_ERROR(rows_.ReadRows({rectangle.row + r, rows, 0, rank}, scratch->rows.data()));
      MergeTiles({rectangle.row + r, rows, rectangle.column + c, columns, rectangle.output + (r * row_ + c) * width_},
                 scratch);
    }
  }
  return Status::Ok();
}

// Merges a rectangle whose rows and columns are all in the scratch.
void LoraAddKernel::MergeTiles(const Rectangle& rectangle, Scratch* scratch) const {
  const std::uint64_t rank = columns_.rank();
  const std::uint64_t begin = rectangle.column - scratch->begin;
  const std::uint64_t end = begin + rectangle.columns;
  for (std::uint64_t unit = begin / kTile * kTile; unit < end; unit += kUnit) {
    const std::uint64_t low = std::max(unit, begin);
    const std::uint64_t high = std::min(unit + kUnit, end);
    for (std::uint64_t r = 0; r < rectangle.rows; r += kLoraTileRows) {
      const std::uint64_t rows = std::min<std::uint64_t>(kLoraTileRows, rectangle.rows - r);
      scratch->sums.fill(rule_.start);
      Sum({scratch->rows.data() + r * rank, rank, rows}, scratch->columns.data() + unit * rank, high - unit, rank,
          scratch);
      Finish({rectangle.row + r, rows, rectangle.column + (low - begin), high - low,
              rectangle.output + (r * row_ + (low - begin)) * width_},
             low - unit, scratch);
    }
  }
}

Status LoraAddKernel::MergeLongChains(const Rectangle& rectangle, Scratch* scratch) const {
  scratch->kernel = 0;
  for (std::uint64_t c = 0; c < rectangle.columns; c += kUnit) {
    const std::uint64_t columns = std::min(kUnit, rectangle.columns - c);
    for (std::uint64_t r = 0; r < rectangle.rows; r += kLoraTileRows) {
      const std::uint64_t rows = std::min<std::uint64_t>(kLoraTileRows, rectangle.rows - r);
      scratch->sums.fill(rule_.start);
      for (std::uint64_t k = 0; k < columns_.rank(); k += kMaxRanks) {
        const std::uint64_t ranks = std::min(kMaxRanks, columns_.rank() - k);
        SHARDFS_RETURN_IF_ERROR(columns_.ReadTiles({rectangle.column + c, columns, k, ranks}, scratch->columns.data()));
        SHARDFS_RETURN_IF_ERROR(rows_.ReadRows({rectangle.row + r, rows, k, ranks}, scratch->rows.data()));
        Sum({scratch->rows.data(), ranks, rows}, scratch->columns.data(), columns, ranks, scratch);
      }
      Finish({rectangle.row + r, rows, rectangle.column + c, columns, rectangle.output + (r * row_ + c) * width_}, 0,
             scratch);
    }
  }
  return Status::Ok();
}

// Continues the chains of the first `count` sums of each row.
void LoraAddKernel::Sum(const LoraRows& rows, const float* tiles, std::uint64_t count, std::uint64_t ranks,
                        Scratch* scratch) const {
  for (std::uint64_t first = 0; first < count; first += kTile) {
    sum_(rows, tiles + first * ranks, ranks, scratch->sums.data() + first, kUnit);
  }
}

// Makes results of the base's bytes and the sums behind the first `skipped` ones.
void LoraAddKernel::Finish(const Rectangle& part, std::uint64_t skipped, Scratch* scratch) const {
  const auto cast = [count = part.columns](CastKernel kernel, const void* from, void* to) {
    if (kernel == nullptr) {
      std::memcpy(to, from, count * sizeof(float));
    } else {
      kernel(static_cast<const std::byte*>(from), static_cast<std::byte*>(to), count);
    }
  };
  float* const values = scratch->values.data();
  for (std::uint64_t y = 0; y < part.rows; ++y) {
    std::byte* const output = part.output + y * row_ * width_;
    float* const sums = scratch->sums.data() + y * kUnit + skipped;
    float scale = rule_.scale;
    if (rule_.rounds_product) {
      ScaleLoraProducts(rule_.scale, sums, part.columns);
      cast(narrow_, sums, scratch->products.data());
      cast(widen_, scratch->products.data(), sums);
      scale = 1.0f;
    }
    cast(widen_, output, values);
    AddLoraProducts(sums, scale, values, part.columns);
    cast(narrow_, values, output);
  }
}

void LoraAddKernel::VisitSources(std::uint64_t offset, std::uint64_t size,
                                 const std::function<void(const SourceSpan&)>& visit) const {
  if (size == 0) return;
  std::uint64_t first = offset / width_;
  const std::uint64_t end = (offset + size - 1) / width_ + 1;
  base_.VisitSources(first * width_, (end - first) * width_, visit);
  for (int runs = 0; first < end; ++runs) {
    if (runs == kVisitedRuns) {
      rows_.VisitSources(0, rows_.places(), visit);
      columns_.VisitSources(0, columns_.places(), visit);
      return;
    }
    const RowPlace place = PlaceOf(first / row_);
    const std::uint64_t skipped = first % row_;
    const std::uint64_t columns = std::min(row_ - skipped, end - first);
    const std::uint64_t rows = columns == row_ ? RunFrom(first / row_, (end - first) / row_) : 1;
    rows_.VisitSources(place.row, rows, visit);
    columns_.VisitSources(place.column + skipped, columns, visit);
    first += rows * columns;
  }
}

}  // namespace shardfs
