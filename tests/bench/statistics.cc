#include "bench/statistics.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace shardfs::bench {

double Median(std::vector<double> values) {
  assert(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

namespace {

std::vector<double> Ratios(const std::vector<double>& ours, const std::vector<double>& reference) {
  assert(ours.size() == reference.size());
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / reference[i]);
  return ratios;
}

}  // namespace

double MedianRatio(const std::vector<double>& ours, const std::vector<double>& reference) {
  return Median(Ratios(ours, reference));
}

std::pair<double, double> RatioRange(const std::vector<double>& ours, const std::vector<double>& reference) {
  const std::vector<double> ratios = Ratios(ours, reference);
  const auto [least, greatest] = std::minmax_element(ratios.begin(), ratios.end());
  return {*least, *greatest};
}

Result<std::vector<std::vector<double>>> Interleave(int rounds, const std::vector<Measurement>& variants) {
  std::vector<std::vector<double>> values(variants.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t turn = 0; turn < variants.size(); ++turn) {
      const std::size_t variant = round % 2 == 0 ? turn : variants.size() - 1 - turn;
      SHARDFS_ASSIGN_OR_RETURN(const double value, variants[variant]());
      values[variant].push_back(value);
    }
  }
  return values;
}

}  // namespace shardfs::bench
