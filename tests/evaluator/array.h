// Array: an n-dimensional array in memory, row-major, and the few operations on it that the MindIE format is made of.
// Every operation visits its elements one by one and makes a new array. Wrong arguments throw std::logic_error.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shardfs/tensor/dtype.h"

namespace shardfs::evaluator {

using Sizes = std::vector<std::uint64_t>;

struct Array {
  Dtype dtype = Dtype::kF32;
  Sizes shape;
  std::string bytes;  // little-endian elements

  std::uint64_t count() const;
  std::uint32_t Bits(std::uint64_t element) const;  // of an element of at most 4 bytes
  void SetBits(std::uint64_t element, std::uint32_t bits);
  double Value(std::uint64_t element) const;  // of a float dtype
};

Array Zeros(Dtype dtype, Sizes shape);
Array Filled(Dtype dtype, Sizes shape, double value);
Array Slice(const Array& array, std::size_t axis, std::uint64_t begin, std::uint64_t end);
Array PadEnd(const Array& array, std::size_t axis, std::uint64_t size);  // with zero bytes
Array Concat(const std::vector<Array>& arrays);                          // on axis 0
Array Stack(const std::vector<Array>& arrays);                           // on a new axis 0
Array Reshape(Array array, Sizes shape);
Array Flatten(Array array);
Array SwapAxes(const Array& array, std::size_t a, std::size_t b);
Array TakeRows(const Array& array, const std::vector<std::uint64_t>& rows);

Array Cast(const Array& array, Dtype dtype);  // among float dtypes
Array Negate(const Array& array);             // flips the sign bit: 0.0 becomes -0.0

// One float array from `function` of each element's value, rounded to `dtype`.
Array Map(const Array& array, Dtype dtype, const std::function<double(double)>& function);

}  // namespace shardfs::evaluator
