#include "evaluator/w4a8.h"

#include <cstring>

#include "evaluator/float_bits.h"

namespace shardfs::evaluator {
namespace {

const Array* Find(const Parts& parts, const std::string& suffix) {
  for (const auto& [name, array] : parts) {
    if (name == suffix) return &array;
  }
  return nullptr;
}

// Absent counts as "not 0".
bool PerGroup(const Setting& setting) {
  const JsonValue* group_size = setting.source->description->Find("group_size");
  return group_size == nullptr || group_size->AsInt64() != 0;
}

double AddF32(double a, double b) { return ToDouble(Dtype::kF32, Round(Dtype::kF32, a + b)); }

double Sum(std::vector<double> addends) {
  if (addends.size() == 16) {  // two SIMD vectors of 8 are added first
    for (std::size_t j = 0; j < 8; ++j) addends[j] = AddF32(addends[j], addends[j + 8]);
    addends.resize(8);
  }
  if (addends.size() > 8) throw Refused("a W4A8 bias of this many addends has no known order");
  double sum = addends.at(0);
  for (std::size_t j = 1; j < addends.size(); ++j) sum = AddF32(sum, addends[j]);
  return sum;
}

// [n, addends] -> [n]
Array SumRows(const Array& array) {
  Array result = Zeros(Dtype::kF32, {array.shape[0]});
  const std::uint64_t columns = array.shape[1];
  for (std::uint64_t row = 0; row < array.shape[0]; ++row) {
    std::vector<double> addends;
    for (std::uint64_t column = 0; column < columns; ++column) addends.push_back(array.Value(row * columns + column));
    result.SetBits(row, Round(Dtype::kF32, Sum(addends)));
  }
  return result;
}

// [n, 1] and perhaps [n, groups] -> I64 [groups or 1, n]: the bits of float32(float16(scale * second)).
Array PackedScale(const Array& scale, const Array* second) {
  const std::uint64_t n = scale.shape[0];
  const std::uint64_t groups = second == nullptr ? 1 : second->shape[1];
  Array result = Zeros(Dtype::kI64, {groups, n});
  for (std::uint64_t row = 0; row < n; ++row) {
    for (std::uint64_t group = 0; group < groups; ++group) {
      std::uint32_t bits = scale.Bits(row);
      if (second != nullptr) bits = Round(scale.dtype, scale.Value(row) * second->Value(row * groups + group));
      const std::uint32_t half = CastBits(scale.dtype, Dtype::kF16, bits);
      const std::uint64_t packed = CastBits(Dtype::kF16, Dtype::kF32, half);
      std::memcpy(&result.bytes[(group * n + row) * 8], &packed, 8);
    }
  }
  return result;
}

}  // namespace

Parts ShardW4A8(const Setting& setting, const LinearSource& linear, Role role, Split split) {
  if (!setting.source->description) throw Refused("W4A8_DYNAMIC without a description");
  if (linear.rows % 2 != 0) throw Refused(linear.prefix + ": an odd number of rows cannot be packed in pairs");
  const std::size_t axis = role == Role::kColumn ? 0 : 1;
  const auto read = [&](const char* suffix) {
    const std::string name = linear.prefix + "." + suffix;
    return CastOnRead(setting, name, setting.source->Get(name));
  };
  const auto check = [&](const char* suffix, const Sizes& shape) {
    setting.source->Get(linear.prefix + "." + suffix, shape);
  };
  check("weight", {linear.rows / 2, linear.columns});
  check("weight_scale", {linear.rows, 1});
  check("scale_bias", {linear.rows, role == Role::kColumn ? std::uint64_t{1} : std::uint64_t{16}});
  Parts parts = {{"weight", Shard(read("weight"), axis, split)},
                 {"weight_scale", Shard(read("weight_scale"), axis, split)},
                 {"scale_bias", Shard(read("scale_bias"), axis, split)}};
  if (parts[2].second.dtype != Dtype::kF32) throw Refused(linear.prefix + ".scale_bias is not F32");
  if (parts[0].second.shape[0] * 2 != parts[1].second.shape[0]) {
    throw Refused(linear.prefix + ": packed rows and scales are not split alike");
  }
  if (!PerGroup(setting)) return parts;
  const Array second = read("weight_scale_second");
  if (second.shape.size() != 2 || second.shape[0] != linear.rows || second.shape[1] == 0) {
    throw Refused(linear.prefix + ".weight_scale_second has a shape that does not fit");
  }
  parts.emplace_back("weight_scale_second", Shard(second, axis, split));
  return parts;
}

Parts FinishW4A8Expert(const Setting&, const Parts& parts) {
  return {{"weight", SwapAxes(*Find(parts, "weight"), 0, 1)},
          {"weight_scale", PackedScale(*Find(parts, "weight_scale"), Find(parts, "weight_scale_second"))},
          {"bias", SumRows(*Find(parts, "scale_bias"))}};
}

}  // namespace shardfs::evaluator
