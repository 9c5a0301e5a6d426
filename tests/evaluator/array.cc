#include "evaluator/array.h"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "evaluator/float_bits.h"

namespace shardfs::evaluator {
namespace {

void Require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

std::uint64_t Product(const Sizes& shape) {
  std::uint64_t product = 1;
  for (std::uint64_t size : shape) product *= size;
  return product;
}

std::uint64_t Offset(const Sizes& shape, const Sizes& index) {
  std::uint64_t offset = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) offset = offset * shape[axis] + index[axis];
  return offset;
}

// The array of `shape` whose element at an index is the element of `array` at `source_of(index)`. An index outside of
// `array` gives zero.
template <typename SourceOf>
Array Rearranged(const Array& array, const Sizes& shape, SourceOf source_of) {
  Array result = Zeros(array.dtype, shape);
  const std::size_t width = DtypeBytes(array.dtype);
  Sizes index(shape.size(), 0);
  for (std::uint64_t element = 0; element < result.count(); ++element) {
    std::uint64_t rest = element;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    const Sizes source = source_of(index);
    bool inside = true;
    for (std::size_t axis = 0; axis < source.size(); ++axis) inside = inside && source[axis] < array.shape[axis];
    if (!inside) continue;
    std::memcpy(&result.bytes[element * width], &array.bytes[Offset(array.shape, source) * width], width);
  }
  return result;
}

}  // namespace

std::uint64_t Array::count() const { return Product(shape); }

std::uint32_t Array::Bits(std::uint64_t element) const {
  const std::size_t width = DtypeBytes(dtype);
  Require(width <= 4 && (element + 1) * width <= bytes.size(), "no such element");
  std::uint32_t bits = 0;
  std::memcpy(&bits, &bytes[element * width], width);
  return bits;
}

void Array::SetBits(std::uint64_t element, std::uint32_t bits) {
  const std::size_t width = DtypeBytes(dtype);
  Require(width <= 4 && (element + 1) * width <= bytes.size(), "no such element");
  std::memcpy(&bytes[element * width], &bits, width);
}

double Array::Value(std::uint64_t element) const { return ToDouble(dtype, Bits(element)); }

Array Zeros(Dtype dtype, Sizes shape) {
  Array result{dtype, std::move(shape), {}};
  result.bytes.assign(result.count() * DtypeBytes(dtype), '\0');
  return result;
}

Array Filled(Dtype dtype, Sizes shape, double value) {
  return Map(Zeros(dtype, std::move(shape)), dtype, [value](double) { return value; });
}

Array Slice(const Array& array, std::size_t axis, std::uint64_t begin, std::uint64_t end) {
  Require(axis < array.shape.size() && begin <= end && end <= array.shape[axis], "slice out of range");
  Sizes shape = array.shape;
  shape[axis] = end - begin;
  return Rearranged(array, shape, [&](Sizes index) {
    index[axis] += begin;
    return index;
  });
}

Array PadEnd(const Array& array, std::size_t axis, std::uint64_t size) {
  Require(axis < array.shape.size() && size >= array.shape[axis], "padding that shrinks");
  Sizes shape = array.shape;
  shape[axis] = size;
  return Rearranged(array, shape, [](const Sizes& index) { return index; });
}

Array Concat(const std::vector<Array>& arrays) {
  Array result = arrays.at(0);
  for (std::size_t i = 1; i < arrays.size(); ++i) {
    Require(arrays[i].dtype == result.dtype && arrays[i].shape.size() == result.shape.size(),
            "concat of unlike arrays");
    for (std::size_t axis = 1; axis < result.shape.size(); ++axis) {
      Require(arrays[i].shape[axis] == result.shape[axis], "concat of unlike shapes");
    }
    result.shape[0] += arrays[i].shape[0];
    result.bytes += arrays[i].bytes;
  }
  return result;
}

Array Stack(const std::vector<Array>& arrays) {
  std::vector<Array> with_axis;
  for (const Array& array : arrays) {
    Sizes shape = array.shape;
    shape.insert(shape.begin(), 1);
    with_axis.push_back(Reshape(array, shape));
  }
  return Concat(with_axis);
}

Array Reshape(Array array, Sizes shape) {
  Require(Product(shape) == array.count(), "reshape to another number of elements");
  array.shape = std::move(shape);
  return array;
}

Array Flatten(Array array) {
  const std::uint64_t count = array.count();
  return Reshape(std::move(array), {count});
}

Array SwapAxes(const Array& array, std::size_t a, std::size_t b) {
  Sizes shape = array.shape;
  std::swap(shape.at(a), shape.at(b));
  return Rearranged(array, shape, [&](Sizes index) {
    std::swap(index[a], index[b]);
    return index;
  });
}

Array TakeRows(const Array& array, const std::vector<std::uint64_t>& rows) {
  for (std::uint64_t row : rows) Require(row < array.shape.at(0), "no such row");
  Sizes shape = array.shape;
  shape[0] = rows.size();
  return Rearranged(array, shape, [&](Sizes index) {
    index[0] = rows[index[0]];
    return index;
  });
}

Array Cast(const Array& array, Dtype dtype) {
  if (array.dtype == dtype) return array;
  Array result = Zeros(dtype, array.shape);
  for (std::uint64_t i = 0; i < result.count(); ++i) result.SetBits(i, CastBits(array.dtype, dtype, array.Bits(i)));
  return result;
}

Array Negate(const Array& array) {
  Require(IsFloat(array.dtype), "negation of integers");
  Array result = array;
  const std::uint32_t sign_bit = 1u << (DtypeBits(array.dtype) - 1);
  for (std::uint64_t i = 0; i < result.count(); ++i) result.SetBits(i, array.Bits(i) ^ sign_bit);
  return result;
}

Array Map(const Array& array, Dtype dtype, const std::function<double(double)>& function) {
  Array result = Zeros(dtype, array.shape);
  for (std::uint64_t i = 0; i < result.count(); ++i) result.SetBits(i, Round(dtype, function(array.Value(i))));
  return result;
}

}  // namespace shardfs::evaluator
