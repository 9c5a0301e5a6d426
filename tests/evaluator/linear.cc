#include "evaluator/linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "evaluator/w4a8.h"

namespace shardfs::evaluator {
namespace {

// The value that packed linears share, e.g. their input scale (W:452-460).
Array Agreed(const std::vector<Array>& values, const std::string& what) {
  for (const Array& value : values) {
    const double first = values[0].Value(0);
    const double other = value.Value(0);
    if (!(std::fabs(first - other) <= 1e-8 + 1e-5 * std::fabs(other))) throw Refused(what + " of gate and up differ");
  }
  return values[0];
}

// A float is truncated towards zero.
Array ToInt8(const Array& array) {
  if (array.dtype == Dtype::kI8) return array;
  Array result = Zeros(Dtype::kI8, array.shape);
  for (std::uint64_t i = 0; i < array.count(); ++i) {
    const double value = std::trunc(array.Value(i));
    if (!(value >= -128 && value <= 127)) throw Refused("an input offset does not fit in 8 bits");
    result.SetBits(i, static_cast<std::uint8_t>(static_cast<std::int8_t>(value)));
  }
  return result;
}

// F16, widened to F32, whose 32 bits are sign-extended.
Array FloatBitsAsInt64(const Array& array) {
  const Array wide = Cast(array, Dtype::kF32);
  Array result = Zeros(Dtype::kI64, array.shape);
  for (std::uint64_t i = 0; i < wide.count(); ++i) {
    const std::int64_t value = static_cast<std::int32_t>(wide.Bits(i));
    std::memcpy(&result.bytes[i * 8], &value, 8);
  }
  return result;
}

struct Reader {
  const Setting& setting;
  Array operator()(const LinearSource& linear, const char* suffix, const Sizes& shape) const {
    const std::string name = linear.prefix + "." + suffix;
    return CastOnRead(setting, name, setting.source->Get(name, shape));
  }
};

Array AlongRows(const Array& array, Role role, Split split) {
  return role == Role::kColumn ? Shard(array, 0, split) : array;
}

Array ShardedWeight(const Array& weight, Role role, Split split) {
  if (role == Role::kReplicated) return weight;
  return Shard(weight, role == Role::kColumn ? 0 : 1, split);
}

Parts ShardW8A8(const Setting& setting, const LinearSource& linear, Role role, Split split) {
  const Reader read{setting};
  Array quant_bias = AlongRows(read(linear, "quant_bias", {linear.rows}), role, split);
  if (quant_bias.dtype != Dtype::kI32) throw Refused(linear.prefix + ".quant_bias is not I32");
  if (role == Role::kRow && split.part != 0) quant_bias = Zeros(Dtype::kI32, quant_bias.shape);
  return {{"weight", ShardedWeight(read(linear, "weight", {linear.rows, linear.columns}), role, split)},
          {"input_scale", read(linear, "input_scale", {1})},
          {"input_offset", read(linear, "input_offset", {1})},
          {"deq_scale", AlongRows(read(linear, "deq_scale", {linear.rows}), role, split)},
          {"quant_bias", quant_bias}};
}

Parts ShardScaled(const Setting& setting, const LinearSource& linear, Role role, Split split) {
  const Reader read{setting};
  Parts parts = {{"weight", ShardedWeight(read(linear, "weight", {linear.rows, linear.columns}), role, split)}};
  for (const char* suffix : {"weight_scale", "weight_offset"}) {
    // Row-parallel: one column, which every part of axis 1 keeps.
    parts.emplace_back(suffix, ShardedWeight(read(linear, suffix, {linear.rows, 1}), role, split));
  }
  return parts;
}

Parts ShardOne(const Setting& setting, const LinearSource& linear, Kind kind, Role role, Split split) {
  switch (kind) {
    case Kind::kFloat: {
      const Array weight = Reader{setting}(linear, "weight", {linear.rows, linear.columns});
      return {{"weight", ShardedWeight(weight, role, split)}};
    }
    case Kind::kW8A8:
      return ShardW8A8(setting, linear, role, split);
    case Kind::kW8A8Dynamic:
    case Kind::kW8A16:
      return ShardScaled(setting, linear, role, split);
    case Kind::kW4A8Dynamic:
      return ShardW4A8(setting, linear, role, split);
  }
  throw std::logic_error("no such kind");
}

// What the kinds do alike to a linear and to an expert.
Parts FinishEither(const Setting& setting, Kind kind, Parts parts) {
  for (auto& [suffix, array] : parts) {
    if (suffix == "input_offset") array = ToInt8(array);
    if (suffix == "weight_offset" && !setting.loader()) array = Negate(array);
    if (kind == Kind::kW8A8Dynamic && suffix == "weight_scale" && setting.dtype == Dtype::kF16) {
      array = Cast(array, Dtype::kF32);
    }
  }
  return parts;
}

}  // namespace

std::string KindName(Kind kind) {
  static const std::map<Kind, std::string> kNames = {{Kind::kFloat, "FLOAT"},
                                                     {Kind::kW8A8, "W8A8"},
                                                     {Kind::kW8A8Dynamic, "W8A8_DYNAMIC"},
                                                     {Kind::kW8A16, "W8A16"},
                                                     {Kind::kW4A8Dynamic, "W4A8_DYNAMIC"}};
  return kNames.at(kind);
}

Kind KindOf(const Setting& setting, const std::string& prefix, const std::string& quantize) {
  static const std::map<std::string, Kind> kKinds = {{"w8a8", Kind::kW8A8},
                                                     {"w8a8_dynamic", Kind::kW8A8Dynamic},
                                                     {"w8a16", Kind::kW8A16},
                                                     {"w4a8_dynamic", Kind::kW4A8Dynamic}};
  const Dtype dtype = setting.source->Get(prefix + ".weight").dtype;
  Kind kind = Kind::kFloat;
  if (dtype == Dtype::kI8) {
    const auto found = kKinds.find(quantize);
    if (found == kKinds.end()) throw Refused(prefix + " is quantised, and config.json does not say how");
    kind = found->second;
  } else if (!IsFloat(dtype)) {
    throw Refused(prefix + ".weight is neither float nor I8");
  }
  const std::optional<std::string> described = setting.source->Described(prefix + ".weight");
  if (described && *described != KindName(kind)) throw Refused(prefix + ": the description contradicts the tensors");
  return kind;
}

Array Shard(const Array& array, std::size_t axis, Split split) {
  const std::uint64_t size = array.shape.at(axis);
  if (size % split.parts == 0) {
    const std::uint64_t each = size / split.parts;
    return Slice(array, axis, split.part * each, (split.part + 1) * each);
  }
  if (split.parts % size == 0) {
    const std::uint64_t index = split.part / (split.parts / size);
    return Slice(array, axis, index, index + 1);
  }
  const std::uint64_t each = (size + split.parts - 1) / split.parts;
  const std::uint64_t begin = std::min(split.part * each, size);
  const std::uint64_t end = std::min((split.part + 1) * each, size);
  return PadEnd(Slice(array, axis, begin, end), axis, each);
}

Array CastOnRead(const Setting& setting, const std::string& name, const Array& array) {
  if (name.ends_with("deq_scale") && setting.dtype == Dtype::kBF16) return array;
  if (name.ends_with("scale_bias")) return array;
  if (array.dtype == Dtype::kI8 || array.dtype == Dtype::kI32 || array.dtype == Dtype::kI64) return array;
  if (!IsFloat(array.dtype)) throw Refused(name + " has an unsupported dtype");
  return Cast(array, setting.dtype);
}

Parts ShardLinear(const Setting& setting, const std::vector<LinearSource>& sources, Kind kind, Role role, Split split) {
  std::vector<Parts> shards;
  for (const LinearSource& source : sources) shards.push_back(ShardOne(setting, source, kind, role, split));
  Parts packed = shards[0];
  for (std::size_t p = 0; p < packed.size(); ++p) {
    auto& [suffix, array] = packed[p];
    std::vector<Array> arrays;
    for (const Parts& shard : shards) {
      if (shard[p].second.dtype != array.dtype) throw Refused(sources[0].prefix + ": packed linears differ in dtype");
      arrays.push_back(shard[p].second);
    }
    const bool integers = array.dtype == Dtype::kI8;
    if (!suffix.starts_with("input_")) {
      array = Concat(arrays);
    } else if (integers) {
      for (const Array& other : arrays) {
        if (other.bytes != array.bytes) throw Refused(sources[0].prefix + ": packed linears differ in " + suffix);
      }
    } else {
      array = Agreed(arrays, suffix);
    }
  }
  return packed;
}

Parts FinishLinear(const Setting& setting, Kind kind, Parts parts) {
  if (kind == Kind::kW4A8Dynamic) throw Refused("W4A8_DYNAMIC is for routed experts only");
  parts = FinishEither(setting, kind, std::move(parts));
  for (auto& [suffix, array] : parts) {
    if (kind == Kind::kW8A8Dynamic && suffix.starts_with("weight_")) array = Flatten(array);
    if (suffix == "deq_scale" && setting.dtype == Dtype::kF16 && IsFloat(array.dtype)) array = FloatBitsAsInt64(array);
  }
  return parts;
}

Parts FinishExperts(const Setting& setting, Kind kind, Role role, const std::vector<Parts>& experts) {
  std::vector<Parts> finished;
  for (const Parts& expert : experts) {
    finished.push_back(kind == Kind::kW4A8Dynamic ? FinishW4A8Expert(setting, expert)
                                                  : FinishEither(setting, kind, expert));
  }
  Parts stacked = finished.at(0);
  for (std::size_t p = 0; p < stacked.size(); ++p) {
    std::vector<Array> arrays;
    for (const Parts& expert : finished) {
      arrays.push_back(expert[p].second);
      if (arrays.back().dtype != arrays[0].dtype) throw Refused("experts differ in the dtype of " + expert[p].first);
    }
    auto& [suffix, array] = stacked[p];
    array = Stack(arrays);
    if (suffix == "deq_scale" && setting.dtype == Dtype::kF16 && IsFloat(array.dtype)) {
      // A quirk: gate_up stays as it is. The loader makes I64 of it, which an ordinary load does not.
      if (role == Role::kRow) {
        array = Flatten(FloatBitsAsInt64(array));
      } else if (setting.loader()) {
        throw Refused("float deq_scale of routed gate_up in a F16 model: no directory loads alike");
      }
    }
  }
  return stacked;
}

}  // namespace shardfs::evaluator
