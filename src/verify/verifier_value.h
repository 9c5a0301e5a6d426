// Elements of tensors and pieces of text as messages show them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "shardfs/tensor/dtype.h"
#include "shardfs/tensor/shape.h"

namespace shardfs {

// One element, little-endian: integers and BOOL as integers, floats with the digits that tell them from every other
// value of their dtype, the rest (F8, C64) as the bits in hexadecimal.
std::string FormatElement(Dtype dtype, std::span<const std::byte> element);

// Both elements; with the bits behind them where they would look or compare equal (0.0 and -0.0, NaNs).
std::pair<std::string, std::string> FormatElements(Dtype dtype, std::span<const std::byte> expected,
                                                   std::span<const std::byte> actual);

// The index of the element that is the n-th in row-major order; n is below the number of elements.
Shape IndexOf(const Shape& shape, std::uint64_t n);

}  // namespace shardfs
