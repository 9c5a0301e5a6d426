#include "bench/row.h"

#include <fmt/format.h>

#include <cmath>

#include "bench/statistics.h"

namespace shardfs::bench {

double Row::Value() const { return Median(ours); }

std::optional<double> Row::ReferenceValue() const {
  if (reference.empty()) return std::nullopt;
  return Median(reference);
}

std::optional<double> Row::Ratio() const {
  if (!measured() || reference.size() != ours.size()) return std::nullopt;
  return better == Better::kHigher ? MedianRatio(ours, reference) : MedianRatio(reference, ours);
}

std::optional<std::pair<double, double>> Row::RatioRange() const {
  if (!measured() || reference.size() != ours.size()) return std::nullopt;
  return better == Better::kHigher ? bench::RatioRange(ours, reference) : bench::RatioRange(reference, ours);
}

std::optional<bool> Row::Met() const {
  if (!target || !measured()) return std::nullopt;
  if (target->bound == Bound::kValueAtMost) return Value() <= target->limit;
  const std::optional<double> ratio = Ratio();
  if (!ratio) return std::nullopt;
  return target->bound == Bound::kRatioAtLeast ? *ratio >= target->limit : *ratio <= target->limit;
}

std::string TargetText(const Row& row) {
  if (!row.target) return "";
  switch (row.target->bound) {
    case Bound::kRatioAtLeast:
      return fmt::format("at least {:.2f}", row.target->limit);
    case Bound::kRatioAtMost:
      return fmt::format("at most {:.2f}", row.target->limit);
    case Bound::kValueAtMost:
      return fmt::format("at most {} {}", NumberText(row.target->limit), row.unit);
  }
  return "";
}

std::string NumberText(double value) {
  const double size = std::fabs(value);
  if (size >= 100) return fmt::format("{:.0f}", value);
  if (size >= 10) return fmt::format("{:.1f}", value);
  return size >= 0.1 ? fmt::format("{:.2f}", value) : fmt::format("{:.3g}", value);
}

}  // namespace shardfs::bench
