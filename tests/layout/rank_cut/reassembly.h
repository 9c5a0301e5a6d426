// An independent account of a rank cut, by indices of elements and by definition: which indices of an axis a rank has,
// one after the other. Nothing of the program is used.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace shardfs::testing {

// How an axis of a tensor is cut. Sizes are those of the axis.
struct AxisChoice {
  enum class Kind { kWhole, kPlain, kUnits, kBlocks, kPad, kCeil, kFirst, kRoll };
  Kind kind = Kind::kWhole;
  std::string group = "tp";
  int units = 1;            // kUnits; fewer than ranks: replicated
  std::vector<int> blocks;  // kBlocks: the sizes
  int multiple = 1;         // kPad
  bool per_rank = true;     // kPad
};

inline constexpr int kZero = -1;  // an element of padding

// Units of equal size among `ranks`; with fewer units than ranks each unit is on several ranks.
inline std::vector<int> PickUnits(int begin, int size, int units, int ranks, int rank) {
  std::vector<int> picks;
  for (int i = 0; i < size; ++i) {
    const int unit = i / (size / units);
    if (units >= ranks ? unit / (units / ranks) == rank : unit == rank / (ranks / units)) picks.push_back(begin + i);
  }
  return picks;
}

// The indices of the axis that `rank` of `ranks` has. `first_expert`: of the rank's block, for kRoll.
inline std::vector<int> PicksOf(const AxisChoice& axis, int size, int ranks, int rank, int first_expert) {
  std::vector<int> picks;
  switch (axis.kind) {
    case AxisChoice::Kind::kWhole:
      for (int i = 0; i < size; ++i) picks.push_back(i);
      break;
    case AxisChoice::Kind::kPlain:
      return PickUnits(0, size, size, ranks, rank);
    case AxisChoice::Kind::kUnits:
      return PickUnits(0, size, axis.units, ranks, rank);
    case AxisChoice::Kind::kBlocks: {
      int begin = 0;
      for (const int block : axis.blocks) {
        for (const int pick : PickUnits(begin, block, block, ranks, rank)) picks.push_back(pick);
        begin += block;
      }
      break;
    }
    case AxisChoice::Kind::kPad: {
      int padded = size;
      while (padded % (axis.multiple * (axis.per_rank ? ranks : 1)) != 0) ++padded;
      const int share = padded / ranks;
      for (int i = rank * share; i < (rank + 1) * share; ++i) picks.push_back(i < size ? i : kZero);
      break;
    }
    case AxisChoice::Kind::kCeil:
      for (int i = 0; i < size; ++i) {
        if (i / ((size + ranks - 1) / ranks) == rank) picks.push_back(i);
      }
      break;
    case AxisChoice::Kind::kFirst: {
      int at = 0;
      for (int r = 0; r <= rank; ++r) {
        const int share = size / ranks + (r < size % ranks ? 1 : 0);
        for (int i = 0; r == rank && i < share; ++i) picks.push_back(at + i);
        at += share;
      }
      break;
    }
    case AxisChoice::Kind::kRoll:
      for (int i = 0; i < size; ++i) picks.push_back((first_expert + i) % size);
      break;
  }
  return picks;
}

// The coordinates of each rank on axes of these sizes, counted in the order of `order`, the first fastest.
inline std::vector<std::map<std::string, int>> CountUp(const std::vector<std::string>& order,
                                                       std::map<std::string, int> sizes) {
  std::vector<std::map<std::string, int>> ranks;
  std::map<std::string, int> at;
  for (const auto& [axis, size] : sizes) at[axis] = 0;
  while (true) {
    ranks.push_back(at);
    std::size_t i = 0;
    while (i < order.size() && ++at[order[i]] == sizes[order[i]]) at[order[i++]] = 0;
    if (i == order.size()) return ranks;
  }
}

// The stage of each of `layers` layers. `first`: of the split "ends".
inline std::vector<int> StagesOf(const std::string& split, int layers, int stages) {
  std::vector<int> counts(static_cast<std::size_t>(stages), 0);
  const auto give = [&](int stage) { ++counts[static_cast<std::size_t>(stage)]; };
  if (split == "ceil") {
    for (int l = 0; l < layers; ++l) give(l / ((layers + stages - 1) / stages));
  } else {
    for (int l = 0; l < layers; ++l) give(split == "remainder_last" ? stages - 1 - l % stages : l % stages);
  }
  std::vector<int> stage_of;
  for (int s = 0; s < stages; ++s)
    stage_of.insert(stage_of.end(), static_cast<std::size_t>(counts[static_cast<std::size_t>(s)]), s);
  return stage_of;
}

}  // namespace shardfs::testing
