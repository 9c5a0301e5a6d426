#include "layout/rank_cut/shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "layout/rank_cut/refusal.h"
#include "shardfs/base/checked_math.h"

namespace shardfs::rank_cut {
namespace {

std::vector<Interval> Consecutive(const std::vector<std::uint64_t>& counts) {
  std::vector<Interval> intervals;
  std::uint64_t begin = 0;
  for (const std::uint64_t count : counts) {
    intervals.push_back({begin, begin + count});
    begin += count;
  }
  return intervals;
}

Status Remainder(std::uint64_t layers, std::uint64_t stages, std::string_view more = "") {
  return Refuse("stage-remainder", fmt::format("{} layers over {} stages{}", layers, stages, more));
}

using Counts = std::vector<std::uint64_t>;

// As many for each stage, after the given ones of the first and the last.
Result<Counts> SplitEnds(const LayersSpec& layers, const Dims& dims, std::uint64_t count, std::uint64_t stages) {
  std::uint64_t rest = count;
  std::uint64_t middle = stages;
  std::vector<std::pair<std::size_t, std::uint64_t>> given;
  for (const auto& [expression, place] :
       {std::pair(&layers.first, std::size_t{0}), std::pair(&layers.last, static_cast<std::size_t>(stages - 1))}) {
    if (!*expression) continue;
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t size, dims.Evaluate(**expression, "layers"));
    if (middle == 0 || size > rest) return Remainder(count, stages, ", less those of the first and the last");
    rest -= size;
    --middle;
    given.emplace_back(place, size);
  }
  if (middle == 0 ? rest != 0 : rest % middle != 0) {
    return Remainder(count, stages, fmt::format(": {} are left for {} stages between the ends", rest, middle));
  }
  Counts counts(stages, middle == 0 ? 0 : rest / middle);
  for (const auto& [place, size] : given) counts[place] = size;
  return counts;
}

// The embedding counts as a layer of the first stage, the loss as one of the last.
Result<Counts> SplitAccount(const LayersSpec& layers, std::uint64_t count, std::uint64_t stages) {
  const std::uint64_t all = count + (layers.counts_embedding ? 1 : 0) + (layers.counts_loss ? 1 : 0);
  if (all % stages != 0) return Remainder(count, stages, fmt::format(": {} with embedding and loss", all));
  Counts counts(stages, all / stages);
  if (layers.counts_embedding && counts.front() > 0) --counts.front();
  if (layers.counts_loss) {
    if (counts.back() == 0) return Remainder(count, stages, ": none is left for the last");
    --counts.back();
  }
  return counts;
}

Result<Counts> SplitExplicit(const LayersSpec& layers, const Dims& dims, std::uint64_t count, std::uint64_t stages) {
  Counts counts;
  std::uint64_t sum = 0;
  for (const Expression& expression : layers.counts) {
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t size, dims.Evaluate(expression, "counts of layers"));
    counts.push_back(size);
    sum = CheckedAdd(sum, size).value_or(UINT64_MAX);
  }
  if (counts.size() == stages && sum == count) return counts;
  return Remainder(
      count, stages,
      fmt::format(", but counts [{}] are {} stages of {} layers", fmt::join(counts, ", "), counts.size(), sum));
}

Result<Counts> CountsOf(const LayersSpec& layers, const Dims& dims, std::uint64_t count, std::uint64_t stages) {
  const std::uint64_t share = count / stages;
  const std::uint64_t over = count % stages;
  Counts counts(stages, share);
  switch (layers.split) {
    case LayersSpec::Split::kEven:
      if (over != 0) return Remainder(count, stages);
      return counts;
    case LayersSpec::Split::kCeil: {
      const auto ceil = *ShareOut(count, stages, Uneven::kCeil);
      std::transform(ceil.begin(), ceil.end(), counts.begin(), [](const Interval& one) { return one.size(); });
      return counts;
    }
    case LayersSpec::Split::kRemainderFirst:
      for (std::size_t i = 0; i < over; ++i) ++counts[i];
      return counts;
    case LayersSpec::Split::kRemainderLast:
      for (std::size_t i = 0; i < over; ++i) ++counts[counts.size() - 1 - i];
      return counts;
    case LayersSpec::Split::kEnds:
      return SplitEnds(layers, dims, count, stages);
    case LayersSpec::Split::kAccount:
      return SplitAccount(layers, count, stages);
    case LayersSpec::Split::kExplicit:
      return SplitExplicit(layers, dims, count, stages);
  }
  return counts;
}

}  // namespace

std::optional<std::vector<Interval>> ShareOut(std::uint64_t count, std::uint64_t parts, Uneven uneven) {
  if (uneven == Uneven::kRefused && count % parts != 0) return std::nullopt;
  const std::uint64_t step = uneven == Uneven::kCeil ? CeilDiv(count, parts) : count / parts;
  std::vector<Interval> intervals;
  std::uint64_t begin = 0;
  for (std::uint64_t i = 0; i < parts; ++i) {
    const std::uint64_t wanted = step + (uneven == Uneven::kFirst && i < count % parts ? 1 : 0);
    const std::uint64_t end = begin + std::min(wanted, count - begin);
    intervals.push_back({begin, end});
    begin = end;
  }
  return intervals;
}

Result<std::vector<Interval>> SplitLayers(const LayersSpec& layers, const Dims& dims, std::uint64_t stages) {
  constexpr std::uint64_t kMostLayers = std::uint64_t{1} << 32;
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t count, dims.Evaluate(layers.count, "count of layers"));
  if (count > kMostLayers) return Refuse("bad-rule", fmt::format("{} layers, more than {}", count, kMostLayers));
  SHARDFS_ASSIGN_OR_RETURN(const Counts counts, CountsOf(layers, dims, count, stages));
  const bool has_empty = std::find(counts.begin(), counts.end(), std::uint64_t{0}) != counts.end();
  if (has_empty && !layers.allow_empty) {
    return Refuse("empty-stage", fmt::format("layer counts [{}]", fmt::join(counts, ", ")));
  }
  return Consecutive(counts);
}

}  // namespace shardfs::rank_cut
