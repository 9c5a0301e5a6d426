#include "tensor/reference_evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tensor/operation.h"

namespace shardfs::testing {
namespace {

using Bytes = std::vector<std::byte>;
using Index = std::vector<std::uint64_t>;

Index Unravel(std::uint64_t element, const Shape& shape) {
  Index index(shape.size());
  for (std::size_t a = shape.size(); a-- > 0;) {
    index[a] = element % shape[a];
    element /= shape[a];
  }
  return index;
}

std::uint64_t Ravel(const Index& index, const Shape& shape) {
  std::uint64_t element = 0;
  for (std::size_t a = 0; a < shape.size(); ++a) element = element * shape[a] + index[a];
  return element;
}

// A floating-point format: how many bits of exponent and mantissa follow the sign.
struct Format {
  int exponent;
  int mantissa;
};

Format FormatOf(Dtype dtype) {
  if (dtype == Dtype::kF16) return {5, 10};
  if (dtype == Dtype::kBF16) return {8, 7};
  return {8, 23};
}

std::uint32_t LoadBits(const std::byte* at, Dtype dtype) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, DtypeBytes(dtype));
  return bits;
}

double Decode(std::uint32_t bits, Dtype dtype) {
  const auto [exponent_bits, mantissa_bits] = FormatOf(dtype);
  const std::uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const std::uint32_t exponent = (bits >> mantissa_bits) & ((1u << exponent_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits >> (exponent_bits + mantissa_bits)) != 0 ? -1.0 : 1.0;
  if (exponent == (1u << exponent_bits) - 1) return mantissa == 0 ? sign * INFINITY : sign * NAN;
  if (exponent == 0) return sign * std::ldexp(static_cast<double>(mantissa), 1 - bias - mantissa_bits);
  return sign * std::ldexp(static_cast<double>(mantissa + (1u << mantissa_bits)),
                           static_cast<int>(exponent) - bias - mantissa_bits);
}

// Round to nearest, ties to even, by the definition: the representable neighbours of |value| are multiples of a unit.
std::uint32_t Encode(double value, Dtype dtype) {
  const auto [exponent_bits, mantissa_bits] = FormatOf(dtype);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const std::uint32_t sign = std::signbit(value) ? 1u << (exponent_bits + mantissa_bits) : 0u;
  const std::uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
  const double magnitude = std::fabs(value);
  if (std::isinf(magnitude)) return sign | infinity;
  int exponent = magnitude == 0 ? 1 - bias : std::ilogb(magnitude);
  if (exponent < 1 - bias) exponent = 1 - bias;
  const double units = std::nearbyint(std::ldexp(magnitude, mantissa_bits - exponent));  // ties to even
  // units counts from the bottom of the binade: below 2^mantissa_bits the number is subnormal, and a carry out of the
  // mantissa is the next exponent.
  const auto count = static_cast<std::uint64_t>(units);
  const std::uint64_t bits =
      count < (1ull << mantissa_bits)
          ? count
          : (static_cast<std::uint64_t>(exponent + bias) << mantissa_bits) + (count - (1ull << mantissa_bits));
  return sign | (bits >= infinity ? infinity : static_cast<std::uint32_t>(bits));
}

// NaN: the sign and the leading payload bits are kept, and the quiet bit is set; BF16 to F32 keeps all bits.
std::uint32_t ConvertNan(std::uint32_t bits, Dtype from, Dtype to) {
  if (from == Dtype::kBF16 && to == Dtype::kF32) return bits << 16;
  if (to != Dtype::kF32 && from != Dtype::kF32) return ConvertNan(ConvertNan(bits, from, Dtype::kF32), Dtype::kF32, to);
  const auto [from_exponent, from_mantissa] = FormatOf(from);
  const auto [to_exponent, to_mantissa] = FormatOf(to);
  const std::uint32_t payload = bits & ((1u << from_mantissa) - 1);
  const std::uint32_t sign = bits >> (from_exponent + from_mantissa);
  const std::uint32_t moved = to_mantissa >= from_mantissa ? payload << (to_mantissa - from_mantissa)
                                                           : payload >> (from_mantissa - to_mantissa);
  return sign << (to_exponent + to_mantissa) | ((1u << to_exponent) - 1) << to_mantissa | 1u << (to_mantissa - 1) |
         moved;
}

Bytes EvaluateCast(const Tensor& tensor, const Bytes& input) {
  const Dtype from = tensor.inputs()[0]->dtype();
  const Dtype to = tensor.dtype();
  Bytes output(tensor.bytes());
  for (std::uint64_t i = 0; i < tensor.elements(); ++i) {
    const std::uint32_t bits = LoadBits(input.data() + i * DtypeBytes(from), from);
    const double value = Decode(bits, from);
    const std::uint32_t converted = std::isnan(value) ? ConvertNan(bits, from, to) : Encode(value, to);
    std::memcpy(output.data() + i * DtypeBytes(to), &converted, DtypeBytes(to));
  }
  return output;
}

Bytes EvaluateSubtractMin(const Tensor& tensor, const Bytes& input) {
  const Dtype dtype = tensor.dtype();
  const std::uint32_t width = DtypeBytes(dtype);
  double minimum = Decode(LoadBits(input.data(), dtype), dtype);
  for (std::uint64_t i = 1; i < tensor.elements(); ++i) {
    minimum = std::fmin(minimum, Decode(LoadBits(input.data() + i * width, dtype), dtype));
  }
  Bytes output(tensor.bytes());
  for (std::uint64_t i = 0; i < tensor.elements(); ++i) {
    const float difference =
        static_cast<float>(Decode(LoadBits(input.data() + i * width, dtype), dtype)) - static_cast<float>(minimum);
    const std::uint32_t bits = Encode(static_cast<double>(difference), dtype);
    std::memcpy(output.data() + i * width, &bits, width);
  }
  return output;
}

std::string_view NameOf(const Tensor& operation) { return operation.operation()->name(); }

float ValueAt(const Bytes& bytes, std::uint64_t element, Dtype dtype) {
  return static_cast<float>(Decode(LoadBits(bytes.data() + element * DtypeBytes(dtype), dtype), dtype));
}

// Operations of one element, or of two: in F32, rounded to the output's dtype. Inputs hold no NaN where their payload
// would be the machine's.
Bytes EvaluateArithmetic(const Tensor& tensor, const std::vector<Bytes>& inputs) {
  const Dtype dtype = tensor.dtype();
  Bytes output(tensor.bytes());
  for (std::uint64_t i = 0; i < tensor.elements(); ++i) {
    const float a = ValueAt(inputs[0], i, dtype);
    float value = a;
    if (NameOf(tensor) == "reciprocal") value = 1.0f / a;
    if (NameOf(tensor) == "product") value = a * ValueAt(inputs[1], i, dtype);
    if (NameOf(tensor) == "sum") value = a + ValueAt(inputs[1], i, dtype);
    const std::uint32_t bits = Encode(static_cast<double>(value), dtype);
    std::memcpy(output.data() + i * DtypeBytes(dtype), &bits, DtypeBytes(dtype));
  }
  return output;
}

Bytes EvaluateNegate(const Tensor& tensor, Bytes bytes) {
  const std::uint32_t width = DtypeBytes(tensor.dtype());
  for (std::size_t i = width - 1; i < bytes.size(); i += width) bytes[i] ^= std::byte{0x80};
  return bytes;
}

Bytes EvaluateTruncate(const Tensor& tensor, const Bytes& input) {
  Bytes output(tensor.bytes());
  for (std::uint64_t i = 0; i < tensor.elements(); ++i) {
    const double value = std::trunc(static_cast<double>(ValueAt(input, i, tensor.inputs()[0]->dtype())));
    // Beyond 32 bits the conversion gives INT32_MIN, whose low byte is 0.
    const bool fits = value >= -2147483648.0 && value < 2147483648.0;
    const auto whole = fits ? static_cast<std::int64_t>(value) : 0;
    output[i] = static_cast<std::byte>(static_cast<std::uint64_t>(whole) & 0xffu);
  }
  return output;
}

// The bits of each value as F32: sign-extended, or rounded to F16 first and zero-extended.
Bytes EvaluateBits(const Tensor& tensor, const Bytes& input) {
  const Dtype from = tensor.inputs()[0]->dtype();
  const auto to_f32 = [](std::uint32_t bits, Dtype dtype) {
    if (dtype == Dtype::kF32) return bits;
    const double value = Decode(bits, dtype);
    return std::isnan(value) ? ConvertNan(bits, dtype, Dtype::kF32) : Encode(value, Dtype::kF32);
  };
  Bytes output(tensor.bytes());
  for (std::uint64_t i = 0; i < tensor.elements(); ++i) {
    std::uint32_t bits = to_f32(LoadBits(input.data() + i * DtypeBytes(from), from), from);
    std::uint64_t wide = (bits >> 31) != 0 ? 0xffffffff00000000u | bits : bits;
    if (NameOf(tensor) == "bits by way of F16") {
      const double value = Decode(bits, Dtype::kF32);
      const std::uint32_t half =
          std::isnan(value) ? ConvertNan(bits, Dtype::kF32, Dtype::kF16) : Encode(value, Dtype::kF16);
      wide = to_f32(half, Dtype::kF16);
    }
    std::memcpy(output.data() + i * sizeof wide, &wide, sizeof wide);
  }
  return output;
}

Bytes EvaluateOperation(const Tensor& tensor, const std::vector<Bytes>& inputs) {
  const std::string_view name = NameOf(tensor);
  if (name == "cast") return EvaluateCast(tensor, inputs[0]);
  if (name == "minimum") return EvaluateSubtractMin(tensor, inputs[0]);
  if (name == "reciprocal" || name == "product" || name == "sum") return EvaluateArithmetic(tensor, inputs);
  if (name == "negation") return EvaluateNegate(tensor, inputs[0]);
  if (name == "truncation") return EvaluateTruncate(tensor, inputs[0]);
  if (name == "bits" || name == "bits by way of F16") return EvaluateBits(tensor, inputs[0]);
  if (name == "comparison" || name == "observation") return inputs[0];
  ADD_FAILURE() << "the oracle does not know the operation " << name;
  return Bytes(tensor.bytes(), std::byte{0});
}

// The element of the inputs that element `index` of `tensor` is: {input number, its index}.
std::pair<std::size_t, Index> OriginOf(const Tensor& tensor, std::uint64_t element, Index index) {
  const std::uint64_t axis = tensor.axis();
  switch (tensor.op()) {
    case TensorOp::kSlice:
      index[axis] += tensor.begin();
      return {0, index};
    case TensorOp::kConcat: {
      std::size_t input = 0;
      while (index[axis] >= tensor.inputs()[input]->shape()[axis])
        index[axis] -= tensor.inputs()[input++]->shape()[axis];
      return {input, index};
    }
    case TensorOp::kPermute: {
      Index original(index.size());
      for (std::size_t a = 0; a < index.size(); ++a) original[tensor.indices()[a]] = index[a];
      return {0, original};
    }
    case TensorOp::kRowGather:
      index[axis] = tensor.indices()[index[axis]];
      return {0, index};
    default:  // kReshape
      return {0, Unravel(element, tensor.inputs()[0]->shape())};
  }
}

}  // namespace

std::vector<std::byte> ReferenceEvaluate(const Tensor& tensor) {
  if (tensor.op() == TensorOp::kSource) {
    const auto all = tensor.source()->Mapped().subspan(tensor.begin(), tensor.bytes());
    return {all.begin(), all.end()};
  }
  if (tensor.op() == TensorOp::kLiteral) {
    const auto all = std::as_bytes(std::span(tensor.literal()));
    return {all.begin(), all.end()};
  }
  if (tensor.op() == TensorOp::kZeros) return Bytes(tensor.bytes(), std::byte{0});
  std::vector<Bytes> inputs;
  for (const TensorPtr& input : tensor.inputs()) inputs.push_back(ReferenceEvaluate(*input));
  if (tensor.op() == TensorOp::kOperation) return EvaluateOperation(tensor, inputs);
  Bytes output(tensor.bytes());
  const std::uint32_t width = DtypeBytes(tensor.dtype());
  for (std::uint64_t element = 0; element < tensor.elements(); ++element) {
    const auto [input, index] = OriginOf(tensor, element, Unravel(element, tensor.shape()));
    const std::uint64_t from = Ravel(index, tensor.inputs()[input]->shape());
    std::memcpy(output.data() + element * width, inputs[input].data() + from * width, width);
  }
  return output;
}

}  // namespace shardfs::testing
