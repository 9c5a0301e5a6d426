#include "evaluator/random_numbers.h"

#include <utility>

#include "evaluator/float_bits.h"

namespace shardfs::evaluator {

Array RandomNumbers::Floats(Dtype dtype, Sizes shape, double low, double high) {
  Array array = Zeros(dtype, std::move(shape));
  for (std::uint64_t i = 0; i < array.count(); ++i) {
    const double unit = static_cast<double>(engine_() >> 11) / static_cast<double>(std::uint64_t{1} << 53);
    array.SetBits(i, Round(dtype, low + unit * (high - low)));
  }
  return array;
}

Array RandomNumbers::Bytes(Dtype dtype, Sizes shape) {
  Array array = Zeros(dtype, std::move(shape));
  for (char& byte : array.bytes) byte = static_cast<char>(engine_() & 0xFF);
  return array;
}

Array RandomNumbers::Int8s(Sizes shape) { return Bytes(Dtype::kI8, std::move(shape)); }
Array RandomNumbers::Int32s(Sizes shape) { return Bytes(Dtype::kI32, std::move(shape)); }
Array RandomNumbers::Int64s(Sizes shape) { return Bytes(Dtype::kI64, std::move(shape)); }

}  // namespace shardfs::evaluator
