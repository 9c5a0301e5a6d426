#include "tensor/elementwise_kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "shardfs/tensor/cast_kernels.h"

namespace shardfs {
namespace {

// How a float dtype is stored, and what its bits are as F32.
template <Dtype kDtype>
struct Float;

template <>
struct Float<Dtype::kF32> {
  using Bits = std::uint32_t;
  static std::uint32_t Widen(Bits bits) { return bits; }
};
template <>
struct Float<Dtype::kF16> {
  using Bits = std::uint16_t;
  static std::uint32_t Widen(Bits bits) { return F16ToF32(bits); }
};
template <>
struct Float<Dtype::kBF16> {
  using Bits = std::uint16_t;
  static std::uint32_t Widen(Bits bits) { return BF16ToF32(bits); }
};

template <typename T>
T Load(const std::byte* from, std::size_t index) {
  T value;
  std::memcpy(&value, from + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void Store(std::byte* to, std::size_t index, T value) {
  std::memcpy(to + index * sizeof(T), &value, sizeof(T));
}

template <Dtype kDtype>
float LoadValue(const std::byte* from, std::size_t index) {
  return std::bit_cast<float>(Float<kDtype>::Widen(Load<typename Float<kDtype>::Bits>(from, index)));
}

template <Dtype kFrom, Dtype kTo>
bool Cast(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  static const CastKernel kernel = FindCastKernel(kFrom, kTo);
  kernel(inputs[0], output, count);
  return true;
}

template <Dtype kDtype>
bool Negate(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  using Bits = typename Float<kDtype>::Bits;
  constexpr auto kSign = static_cast<Bits>(Bits{1} << (8 * sizeof(Bits) - 1));
  for (std::size_t i = 0; i < count; ++i) Store(output, i, static_cast<Bits>(Load<Bits>(inputs[0], i) ^ kSign));
  return true;
}

// Elements on their way through F32: few enough for the L1 cache, enough to make up for the calls.
constexpr std::size_t kBlockElements = 512;

template <Dtype kDtype>
void WidenBlock(const std::byte* from, std::size_t count, float* values) {
  auto* const bytes = reinterpret_cast<std::byte*>(values);
  if constexpr (kDtype == Dtype::kF32) {
    std::memcpy(bytes, from, count * sizeof(float));
  } else {
    static const CastKernel widen = FindCastKernel(kDtype, Dtype::kF32);
    widen(from, bytes, count);
  }
}

template <Dtype kDtype>
void NarrowBlock(const float* values, std::size_t count, std::byte* to) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(values);
  if constexpr (kDtype == Dtype::kF32) {
    std::memcpy(to, bytes, count * sizeof(float));
  } else {
    static const CastKernel narrow = FindCastKernel(Dtype::kF32, kDtype);
    narrow(bytes, to, count);
  }
}

// Calls function(first operand, second operand, count) for blocks as F32; it leaves its results in the first.
template <Dtype kDtype, std::size_t kInputs, typename Function>
void MapBlocks(const std::byte* const* inputs, std::byte* output, std::size_t count, Function&& function) {
  constexpr std::size_t kBytes = sizeof(typename Float<kDtype>::Bits);
  std::array<std::array<float, kBlockElements>, 2> operands;
  for (std::size_t first = 0; first < count; first += kBlockElements) {
    const std::size_t size = std::min(kBlockElements, count - first);
    for (std::size_t i = 0; i < kInputs; ++i) WidenBlock<kDtype>(inputs[i] + first * kBytes, size, operands[i].data());
    function(operands[0].data(), operands[1].data(), size);
    NarrowBlock<kDtype>(operands[0].data(), size, output + first * kBytes);
  }
}

template <Dtype kDtype>
bool Reciprocal(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  MapBlocks<kDtype, 1>(inputs, output, count, [](float* __restrict values, const float*, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) values[i] = 1.0f / values[i];
  });
  return true;
}

template <Dtype kDtype>
bool Multiply(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  MapBlocks<kDtype, 2>(inputs, output, count, [](float* __restrict a, const float* __restrict b, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) a[i] = a[i] * b[i];
  });
  return true;
}

template <Dtype kDtype>
bool Add(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  MapBlocks<kDtype, 2>(inputs, output, count, [](float* __restrict a, const float* __restrict b, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) a[i] = a[i] + b[i];
  });
  return true;
}

template <Dtype kDtype>
bool TruncateToI8(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = LoadValue<kDtype>(inputs[0], i);
    // What x86 gives for values that 32 bits do not hold, NaN among them; C leaves it undefined.
    const bool fits = value >= -2147483648.0f && value < 2147483648.0f;
    const std::int32_t whole = fits ? static_cast<std::int32_t>(value) : INT32_MIN;
    Store(output, i, static_cast<std::int8_t>(whole));
  }
  return true;
}

template <Dtype kDtype>
bool F32BitsToI64(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::int32_t>(LoadValue<kDtype>(inputs[0], i));
    Store(output, i, static_cast<std::int64_t>(bits));
  }
  return true;
}

template <Dtype kDtype>
bool F16RoundedBitsToI64(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  constexpr std::size_t kBytes = sizeof(typename Float<kDtype>::Bits);
  static const CastKernel widen = FindCastKernel(Dtype::kF16, Dtype::kF32);
  std::array<std::byte, kBlockElements * 2> halves;
  std::array<std::uint32_t, kBlockElements> bits;
  for (std::size_t first = 0; first < count; first += kBlockElements) {
    const std::size_t size = std::min(kBlockElements, count - first);
    const std::byte* rounded = inputs[0] + first * kBytes;
    if constexpr (kDtype != Dtype::kF16) {
      static const CastKernel narrow = FindCastKernel(kDtype, Dtype::kF16);
      narrow(rounded, halves.data(), size);
      rounded = halves.data();
    }
    widen(rounded, reinterpret_cast<std::byte*>(bits.data()), size);
    for (std::size_t i = 0; i < size; ++i) Store(output, first + i, static_cast<std::int64_t>(bits[i]));
  }
  return true;
}

template <Dtype kDtype>
bool RequireClose(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const double a = LoadValue<kDtype>(inputs[0], i);
    const double b = LoadValue<kDtype>(inputs[1], i);
    if (a != b && !(std::fabs(a - b) <= 1e-8 + 1e-5 * std::fabs(b))) return false;
  }
  std::memcpy(output, inputs[0], count * sizeof(typename Float<kDtype>::Bits));
  return true;
}

bool RequireEqualI8(const std::byte* const* inputs, std::byte* output, std::size_t count) {
  if (std::memcmp(inputs[0], inputs[1], count) != 0) return false;
  std::memcpy(output, inputs[0], count);
  return true;
}

template <Dtype kDtype>
void AddKernelsOf(std::vector<ElementwiseKernel>* kernels) {
  kernels->push_back({TensorOp::kNegate, kDtype, kDtype, false, Negate<kDtype>});
  kernels->push_back({TensorOp::kReciprocal, kDtype, kDtype, false, Reciprocal<kDtype>});
  kernels->push_back({TensorOp::kMultiply, kDtype, kDtype, true, Multiply<kDtype>});
  kernels->push_back({TensorOp::kAdd, kDtype, kDtype, true, Add<kDtype>});
  kernels->push_back({TensorOp::kTruncateToI8, kDtype, Dtype::kI8, true, TruncateToI8<kDtype>});
  kernels->push_back({TensorOp::kF32BitsToI64, kDtype, Dtype::kI64, true, F32BitsToI64<kDtype>});
  kernels->push_back({TensorOp::kF16RoundedBitsToI64, kDtype, Dtype::kI64, true, F16RoundedBitsToI64<kDtype>});
  kernels->push_back({TensorOp::kRequireClose, kDtype, kDtype, true, RequireClose<kDtype>});
}

std::vector<ElementwiseKernel> AllKernels() {
  std::vector<ElementwiseKernel> kernels = {
      {TensorOp::kCast, Dtype::kF32, Dtype::kF16, true, Cast<Dtype::kF32, Dtype::kF16>},
      {TensorOp::kCast, Dtype::kF32, Dtype::kBF16, true, Cast<Dtype::kF32, Dtype::kBF16>},
      {TensorOp::kCast, Dtype::kF16, Dtype::kF32, true, Cast<Dtype::kF16, Dtype::kF32>},
      {TensorOp::kCast, Dtype::kBF16, Dtype::kF32, true, Cast<Dtype::kBF16, Dtype::kF32>},
      {TensorOp::kCast, Dtype::kF16, Dtype::kBF16, true, Cast<Dtype::kF16, Dtype::kBF16>},
      {TensorOp::kCast, Dtype::kBF16, Dtype::kF16, true, Cast<Dtype::kBF16, Dtype::kF16>},
      {TensorOp::kRequireClose, Dtype::kI8, Dtype::kI8, true, RequireEqualI8},
  };
  AddKernelsOf<Dtype::kF32>(&kernels);
  AddKernelsOf<Dtype::kF16>(&kernels);
  AddKernelsOf<Dtype::kBF16>(&kernels);
  return kernels;
}

}  // namespace

const ElementwiseKernel* FindElementwiseKernel(TensorOp op, Dtype input, Dtype output) {
  static const std::vector<ElementwiseKernel> kernels = AllKernels();
  for (const ElementwiseKernel& kernel : kernels) {
    if (kernel.op == op && kernel.input == input && kernel.output == output) return &kernel;
  }
  return nullptr;
}

std::string_view TensorOpName(TensorOp op) {
  switch (op) {
    case TensorOp::kCast:
      return "cast";
    case TensorOp::kNegate:
      return "negation";
    case TensorOp::kReciprocal:
      return "reciprocal";
    case TensorOp::kTruncateToI8:
      return "truncation";
    case TensorOp::kF32BitsToI64:
    case TensorOp::kF16RoundedBitsToI64:
      return "bits";
    case TensorOp::kMultiply:
      return "product";
    case TensorOp::kAdd:
      return "sum";
    case TensorOp::kRequireClose:
      return "comparison";
    default:
      return "operation";
  }
}

}  // namespace shardfs
