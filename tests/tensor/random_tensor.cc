#include "tensor/random_tensor.h"
#include "tensor/ops/arithmetic.h"
#include "tensor/ops/cast.h"
#include "tensor/ops/observe.h"
#include "tensor/ops/require_close.h"
#include "tensor/ops/to_integers.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>

namespace shardfs::testing {
namespace {

constexpr std::uint64_t kMaxElements = 600;

class Generator {
 public:
  Generator(const Choose& below, std::vector<std::unique_ptr<MemorySource>>* sources)
      : below_(below), sources_(*sources) {}

  TensorPtr Make(int depth, Dtype dtype, const Shape& shape) {
    if (depth <= 0) return Leaf(dtype, shape);
    switch (Below(10)) {
      case 0:
        return MakeSlice(depth, dtype, shape);
      case 1:
        return MakeConcat(depth, dtype, shape);
      case 2:
        return MakeStack(depth, dtype, shape);
      case 3:
      case 4:
        return MakeReshape(depth, dtype, shape);
      case 5:
      case 6:
        return MakePermute(depth, dtype, shape);
      case 7:
        return MakeRowGather(depth, dtype, shape);
      case 8:
        return MakePad(depth, dtype, shape);
      default:
        return MakeConversion(depth, dtype, shape);
    }
  }

  Shape RandomShape() {
    Shape shape(Below(5));
    std::uint64_t elements = 1;
    for (std::uint64_t& size : shape) {
      size = Below(25) == 0
                 ? 0
                 : 1 + Below(std::max<std::uint64_t>(1, std::min<std::uint64_t>(9, kMaxElements / elements)));
      elements *= std::max<std::uint64_t>(1, size);
    }
    return shape;
  }

  Dtype RandomDtype() {
    constexpr Dtype kDtypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16, Dtype::kI8, Dtype::kI64};
    return kDtypes[Below(5)];
  }

  std::uint64_t Below(std::uint64_t bound) { return below_(bound); }

 private:
  TensorPtr Leaf(Dtype dtype, const Shape& shape) {
    if (Below(12) == 0) return Tensor::Zeros(dtype, shape).value();
    if (finite_) return FiniteLiteral(dtype, shape);
    const std::uint64_t bytes = ElementCount(shape).value() * DtypeBytes(dtype);
    const std::uint64_t offset = Below(20);
    std::vector<std::byte> content(offset + bytes + Below(20));
    std::minstd_rand random(ContentSeed());
    for (std::byte& byte : content) byte = static_cast<std::byte>(random() >> 8 & 0xff);
    sources_.push_back(std::make_unique<MemorySource>(std::move(content), true));
    return Tensor::Source(sources_.back().get(), offset, dtype, shape).value();
  }

  TensorPtr MakeSlice(int depth, Dtype dtype, Shape shape) {
    if (shape.empty()) return Make(depth - 1, dtype, shape);
    const std::uint64_t axis = Below(shape.size());
    const std::uint64_t begin = Below(4);
    const std::uint64_t end = begin + shape[axis];
    shape[axis] = end + Below(4);
    return Tensor::Slice(Make(depth - 1, dtype, shape), axis, begin, end).value();
  }

  TensorPtr MakeConcat(int depth, Dtype dtype, Shape shape) {
    if (shape.empty()) return Make(depth - 1, dtype, shape);
    const std::uint64_t axis = Below(shape.size());
    std::uint64_t rest = shape[axis];
    std::vector<TensorPtr> inputs;
    while (inputs.empty() || rest > 0) {
      shape[axis] = rest == 0 ? 0 : (inputs.size() == 3 ? rest : 1 + Below(rest));
      rest -= shape[axis];
      inputs.push_back(Make(depth - 1 - static_cast<int>(Below(2)), dtype, shape));
    }
    return Tensor::Concat(std::move(inputs), axis).value();
  }

  TensorPtr MakeStack(int depth, Dtype dtype, Shape shape) {
    const auto small =
        std::find_if(shape.begin(), shape.end(), [](std::uint64_t size) { return size >= 1 && size <= 4; });
    if (small == shape.end()) return MakeReshape(depth, dtype, shape);
    const auto axis = static_cast<std::uint64_t>(small - shape.begin());
    const std::uint64_t count = *small;
    shape.erase(small);
    std::vector<TensorPtr> inputs;
    for (std::uint64_t i = 0; i < count; ++i) inputs.push_back(Make(depth - 2, dtype, shape));
    return Tensor::Stack(std::move(inputs), axis).value();
  }

  TensorPtr MakeReshape(int depth, Dtype dtype, const Shape& shape) {
    // Factor the elements anew: merge some neighbours, split some sizes.
    Shape other;
    for (const std::uint64_t size : shape) {
      if (!other.empty() && Below(3) == 0) {
        other.back() *= size;
        continue;
      }
      std::uint64_t factor = 1 + Below(4);
      if (size != 0 && size % factor == 0 && other.size() < 5) {
        other.push_back(factor);
        other.push_back(size / factor);
      } else {
        other.push_back(size);
      }
    }
    if (Below(4) == 0) other.insert(other.begin() + static_cast<std::ptrdiff_t>(Below(other.size() + 1)), 1);
    if (Below(6) == 0) other = {ElementCount(shape).value()};
    return Tensor::Reshape(Make(depth - 1, dtype, other), shape).value();
  }

  TensorPtr MakePermute(int depth, Dtype dtype, const Shape& shape) {
    std::vector<std::uint64_t> axes(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
    for (std::size_t a = axes.size(); a > 1; --a) std::swap(axes[a - 1], axes[Below(a)]);
    Shape input(shape.size());
    for (std::size_t a = 0; a < shape.size(); ++a) input[axes[a]] = shape[a];
    return Tensor::Permute(Make(depth - 1, dtype, input), axes).value();
  }

  TensorPtr MakeRowGather(int depth, Dtype dtype, Shape shape) {
    if (shape.empty()) return Make(depth - 1, dtype, shape);
    const std::uint64_t axis = Below(shape.size());
    std::vector<std::uint64_t> rows(shape[axis]);
    const std::uint64_t available = std::max<std::uint64_t>(1, shape[axis] + Below(4));
    const std::uint64_t step = 1 + Below(2);
    const bool regular = Below(3) == 0;
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = regular ? (i * step) % available : Below(available);
    shape[axis] = available;
    return Tensor::RowGather(Make(depth - 1, dtype, shape), axis, rows).value();
  }

  TensorPtr MakePad(int depth, Dtype dtype, Shape shape) {
    if (shape.empty()) return Make(depth - 1, dtype, shape);
    const std::uint64_t axis = Below(shape.size());
    const std::uint64_t before = Below(shape[axis] + 1);
    const std::uint64_t after = Below(shape[axis] - before + 1);
    shape[axis] -= before + after;
    return Tensor::PadZeros(Make(depth - 1, dtype, shape), axis, before, after).value();
  }

  // Of a generator of elements: one choice for all of them, however many they are.
  std::minstd_rand::result_type ContentSeed() { return static_cast<std::minstd_rand::result_type>(Below(1 << 16)); }

  // Elements of magnitude 2^-8 to 2^8 and either sign.
  TensorPtr FiniteLiteral(Dtype dtype, const Shape& shape) {
    const std::uint32_t width = DtypeBytes(dtype);
    std::string bytes(ElementCount(shape).value() * width, '\0');
    std::minstd_rand random(ContentSeed());
    for (std::size_t at = 0; at < bytes.size(); at += width) {
      const std::uint32_t exponent =
          static_cast<std::uint32_t>(random() >> 8 & 15) + (dtype == Dtype::kF16 ? 7u : 119u);
      const std::uint32_t mantissa_bits = dtype == Dtype::kF32 ? 23u : dtype == Dtype::kF16 ? 10u : 7u;
      const auto mantissa = static_cast<std::uint32_t>(random()) & ((1u << mantissa_bits) - 1);
      const std::uint32_t sign = static_cast<std::uint32_t>(random() >> 8 & 1) << (8 * width - 1);
      const std::uint32_t bits = sign | exponent << mantissa_bits | mantissa;
      std::memcpy(bytes.data() + at, &bits, width);
    }
    return Tensor::Literal(dtype, shape, std::move(bytes)).value();
  }

  Dtype RandomFloat() {
    constexpr Dtype kFloats[] = {Dtype::kF32, Dtype::kF16, Dtype::kBF16};
    return kFloats[Below(3)];
  }

  TensorPtr MakeConversion(int depth, Dtype dtype, const Shape& shape) {
    if (dtype == Dtype::kI8) return ops::TruncateToI8(Make(depth - 1, RandomFloat(), shape)).value();
    if (dtype == Dtype::kI64) {
      TensorPtr input = Make(depth - 1, RandomFloat(), shape);
      return (Below(2) == 0 ? ops::F32BitsToI64(std::move(input)) : ops::F16RoundedBitsToI64(std::move(input)))
          .value();
    }
    switch (finite_ ? 0 : Below(4)) {
      case 0:
        return ops::Cast(Make(depth - 1, RandomFloat(), shape), dtype).value();
      case 1:
        return ops::Negate(Make(depth - 1, dtype, shape)).value();
      case 2: {
        auto observed = Make(depth - 1, dtype, shape);
        return ops::Observe(std::move(observed), std::make_shared<const IgnoringObserver>()).value();
      }
      default:
        return MakeArithmetic(depth, dtype, shape);
    }
  }

  // On values whose results are no NaNs: their payload would be the machine's.
  TensorPtr MakeArithmetic(int depth, Dtype dtype, const Shape& shape) {
    finite_ = true;
    TensorPtr a = Make(depth - 1, dtype, shape);
    TensorPtr b = Make(depth - 1, dtype, shape);
    finite_ = false;
    switch (Below(4)) {
      case 0:
        return ops::Reciprocal(std::move(a)).value();
      case 1:
        return ops::Multiply(std::move(a), std::move(b)).value();
      case 2:
        return ops::Add(std::move(a), std::move(b)).value();
      default:
        return ops::RequireClose(a, a).value();
    }
  }

  class IgnoringObserver final : public ReadObserver {
   public:
    void Observe(std::uint64_t, std::span<const std::byte>) const override {}
  };

  const Choose& below_;
  std::vector<std::unique_ptr<MemorySource>>& sources_;
  bool finite_ = false;  // sources below an arithmetic operation
};

}  // namespace

TensorPtr RandomTensor(const Choose& below, int depth, std::vector<std::unique_ptr<MemorySource>>* sources) {
  Generator generator(below, sources);
  const Dtype dtype = generator.RandomDtype();
  return generator.Make(depth, dtype, generator.RandomShape());
}

TensorPtr RandomTensor(std::mt19937_64* random, int depth, std::vector<std::unique_ptr<MemorySource>>* sources) {
  const Choose below = [random](std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(*random);
  };
  return RandomTensor(below, depth, sources);
}

}  // namespace shardfs::testing
