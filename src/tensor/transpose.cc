#include "tensor/transpose.h"

#include <algorithm>
#include <cstring>

namespace shardfs {
namespace {

constexpr std::size_t kVectorBytes = 16;
constexpr std::uint64_t kCacheLine = 64;

using V8 = std::uint8_t __attribute__((vector_size(kVectorBytes)));
using V16 = std::uint16_t __attribute__((vector_size(kVectorBytes)));
using V32 = std::uint32_t __attribute__((vector_size(kVectorBytes)));
using V64 = std::uint64_t __attribute__((vector_size(kVectorBytes)));

// The lower or upper halves of two vectors, lane by lane in turn.
inline V8 ZipLow(V8 a, V8 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
inline V8 ZipHigh(V8 a, V8 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
inline V16 ZipLow(V16 a, V16 b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
inline V16 ZipHigh(V16 a, V16 b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
inline V32 ZipLow(V32 a, V32 b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
inline V32 ZipHigh(V32 a, V32 b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
inline V64 ZipLow(V64 a, V64 b) { return __builtin_shufflevector(a, b, 0, 2); }
inline V64 ZipHigh(V64 a, V64 b) { return __builtin_shufflevector(a, b, 1, 3); }

// A square of as many vectors as each has lanes. Zipping the first half of the rows with the second, once for each
// doubling of the size, transposes it.
template <typename V, std::size_t kLanes>
void TransposeSquare(const std::byte* input, std::uint64_t column_stride, std::byte* output, std::uint64_t row_stride) {
  V rows[kLanes];
  V zipped[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) std::memcpy(&rows[i], input + i * column_stride, sizeof(V));
  for (std::size_t size = 1; size < kLanes; size *= 2) {
    for (std::size_t i = 0; i < kLanes / 2; ++i) {
      zipped[2 * i] = ZipLow(rows[i], rows[i + kLanes / 2]);
      zipped[2 * i + 1] = ZipHigh(rows[i], rows[i + kLanes / 2]);
    }
    for (std::size_t i = 0; i < kLanes; ++i) rows[i] = zipped[i];
  }
  for (std::size_t i = 0; i < kLanes; ++i) std::memcpy(output + i * row_stride, &rows[i], sizeof(V));
}

template <typename V, std::uint64_t kElement>
void TransposeSquares(const std::byte* input, std::uint64_t column_stride, std::byte* output, std::uint64_t rows,
                      std::uint64_t columns) {
  constexpr std::uint64_t kLanes = kVectorBytes / kElement;
  constexpr std::uint64_t kBand = kCacheLine / kElement;  // rows that one cache line of a column holds
  const std::uint64_t row_stride = columns * kElement;
  const std::uint64_t whole_rows = rows - rows % kLanes;
  const std::uint64_t whole_columns = columns - columns % kLanes;
  // Band by band, so that each line of the input is used up while it is in the cache.
  for (std::uint64_t band = 0; band < whole_rows; band += kBand) {
    const std::uint64_t band_end = std::min(band + kBand, whole_rows);
    for (std::uint64_t column = 0; column < whole_columns; column += kLanes) {
      // The next band of these columns: lines so far apart are not seen coming by the processor itself.
      for (std::uint64_t lane = 0; lane < kLanes; ++lane) {
        __builtin_prefetch(input + (column + lane) * column_stride + (band + 2 * kBand) * kElement - 1);
      }
      for (std::uint64_t row = band; row < band_end; row += kLanes) {
        TransposeSquare<V, kLanes>(input + column * column_stride + row * kElement, column_stride,
                                   output + row * row_stride + column * kElement, row_stride);
      }
    }
  }
  TransposeScalar(input + whole_columns * column_stride, column_stride, output + whole_columns * kElement, whole_rows,
                  columns - whole_columns, columns, kElement);
  TransposeScalar(input + whole_rows * kElement, column_stride, output + whole_rows * row_stride, rows - whole_rows,
                  columns, columns, kElement);
}

template <typename T>
void CopyElements(const std::byte* input, std::uint64_t column_stride, std::byte* output, std::uint64_t rows,
                  std::uint64_t columns, std::uint64_t output_columns) {
  for (std::uint64_t row = 0; row < rows; ++row) {
    for (std::uint64_t column = 0; column < columns; ++column) {
      std::memcpy(output + (row * output_columns + column) * sizeof(T),
                  input + column * column_stride + row * sizeof(T), sizeof(T));
    }
  }
}

// Where the plane of the last two dims lies that is number `plane` in the order of the others.
std::uint64_t PlaneOffset(const GatherPattern& pattern, std::uint64_t plane) {
  return pattern.base + OffsetOfPlace(std::span(pattern.dims).first(pattern.dims.size() - 2), plane);
}

}  // namespace

void TransposeScalar(const std::byte* input, std::uint64_t column_stride, std::byte* output, std::uint64_t rows,
                     std::uint64_t columns, std::uint64_t output_columns, std::uint64_t element) {
  switch (element) {
    case 1:
      return CopyElements<std::uint8_t>(input, column_stride, output, rows, columns, output_columns);
    case 2:
      return CopyElements<std::uint16_t>(input, column_stride, output, rows, columns, output_columns);
    case 4:
      return CopyElements<std::uint32_t>(input, column_stride, output, rows, columns, output_columns);
    default:
      return CopyElements<std::uint64_t>(input, column_stride, output, rows, columns, output_columns);
  }
}

void TransposeTile(const std::byte* input, std::uint64_t column_stride, std::byte* output, std::uint64_t rows,
                   std::uint64_t columns, std::uint64_t element) {
  switch (element) {
    case 1:
      return TransposeSquares<V8, 1>(input, column_stride, output, rows, columns);
    case 2:
      return TransposeSquares<V16, 2>(input, column_stride, output, rows, columns);
    case 4:
      return TransposeSquares<V32, 4>(input, column_stride, output, rows, columns);
    default:
      return TransposeSquares<V64, 8>(input, column_stride, output, rows, columns);
  }
}

bool IsTranspose(const GatherPattern& pattern) {
  const bool is_element = pattern.run == 1 || pattern.run == 2 || pattern.run == 4 || pattern.run == 8;
  if (!is_element || pattern.dims.size() < 2) return false;
  const GatherDim& columns = pattern.dims[pattern.dims.size() - 1];
  const GatherDim& rows = pattern.dims[pattern.dims.size() - 2];
  return !columns.table && !rows.table && rows.stride == pattern.run;
}

void GatherTransposed(const GatherPattern& pattern, const std::byte* input, std::uint64_t offset, std::uint64_t count,
                      std::byte* output) {
  const GatherDim& columns = pattern.dims[pattern.dims.size() - 1];
  const std::uint64_t plane_rows = pattern.dims[pattern.dims.size() - 2].count;
  const std::uint64_t row_bytes = columns.count * pattern.run;
  const std::uint64_t head = std::min((row_bytes - offset % row_bytes) % row_bytes, count);
  CopyRuns(pattern, input, offset, head, output);
  std::uint64_t row = (offset + head) / row_bytes;
  const std::uint64_t end_row = row + (count - head) / row_bytes;
  std::uint64_t done = head;
  while (row < end_row) {
    const std::uint64_t in_plane = row % plane_rows;
    const std::uint64_t rows = std::min(plane_rows - in_plane, end_row - row);
    TransposeTile(input + PlaneOffset(pattern, row / plane_rows) + in_plane * pattern.run, columns.stride,
                  output + done, rows, columns.count, pattern.run);
    done += rows * row_bytes;
    row += rows;
  }
  CopyRuns(pattern, input, offset + done, count - done, output + done);
}

}  // namespace shardfs
