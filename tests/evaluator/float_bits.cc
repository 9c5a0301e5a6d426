#include "evaluator/float_bits.h"

#include <cmath>
#include <limits>
#include <stdexcept>

namespace shardfs::evaluator {
namespace {

struct Format {
  int fraction_bits;
  int exponent_bits;
  int smallest_exponent() const { return 2 - (1 << (exponent_bits - 1)); }  // of a normal number
  std::uint32_t infinity() const { return ((1u << exponent_bits) - 1) << fraction_bits; }
  int sign_shift() const { return fraction_bits + exponent_bits; }
};

Format FormatOf(Dtype dtype) {
  if (dtype == Dtype::kF32) return {23, 8};
  if (dtype == Dtype::kBF16) return {7, 8};
  if (dtype == Dtype::kF16) return {10, 5};
  throw std::logic_error("no float dtype");
}

}  // namespace

double ToDouble(Dtype dtype, std::uint32_t bits) {
  const Format format = FormatOf(dtype);
  const double sign = (bits >> format.sign_shift()) != 0 ? -1.0 : 1.0;
  const std::uint32_t magnitude = bits & ((1u << format.sign_shift()) - 1);
  if (magnitude > format.infinity()) return std::numeric_limits<double>::quiet_NaN();
  if (magnitude == format.infinity()) return sign * std::numeric_limits<double>::infinity();
  const int biased = static_cast<int>(magnitude >> format.fraction_bits);
  const std::uint32_t fraction = magnitude & ((1u << format.fraction_bits) - 1);
  const std::uint32_t significand = biased == 0 ? fraction : fraction + (1u << format.fraction_bits);
  const int exponent = format.smallest_exponent() + (biased == 0 ? 0 : biased - 1) - format.fraction_bits;
  return sign * std::ldexp(static_cast<double>(significand), exponent);
}

std::uint32_t Round(Dtype dtype, double value) {
  const Format format = FormatOf(dtype);
  const std::uint32_t sign = std::signbit(value) ? 1u << format.sign_shift() : 0u;
  const double magnitude = std::fabs(value);
  if (std::isinf(magnitude)) return sign | format.infinity();
  int exponent = magnitude == 0 ? format.smallest_exponent() : std::ilogb(magnitude);
  if (exponent < format.smallest_exponent()) exponent = format.smallest_exponent();  // subnormal
  // In units of the last place; a carry into the next binade comes out right because patterns are in value order.
  const double units = std::nearbyint(std::ldexp(magnitude, format.fraction_bits - exponent));
  const double pattern = units + std::ldexp(exponent - format.smallest_exponent(), format.fraction_bits);
  if (pattern >= format.infinity()) return sign | format.infinity();
  return sign | static_cast<std::uint32_t>(pattern);
}

std::uint32_t CastBits(Dtype from, Dtype to, std::uint32_t bits) {
  if (from == to) return bits;
  const double value = ToDouble(from, bits);
  if (!std::isnan(value)) return Round(to, value);
  const Format source = FormatOf(from);
  const Format target = FormatOf(to);
  const std::uint32_t sign = bits >> source.sign_shift() << target.sign_shift();
  if (to == Dtype::kBF16) return 0x7FC0;
  if (to == Dtype::kF16) return sign | 0x7E00;
  const std::uint32_t fraction = bits & ((1u << source.fraction_bits) - 1);
  return sign | target.infinity() | fraction << (target.fraction_bits - source.fraction_bits);
}

}  // namespace shardfs::evaluator
