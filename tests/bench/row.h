// Row: one line of the benchmark's table, a measurement of ours beside its reference and its target.
//
// Thread-safety: a value.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shardfs::bench {

enum class Better : std::uint8_t { kHigher, kLower };

// What a target bounds: the ratio to the reference from below or from above, or the value itself from above.
enum class Bound : std::uint8_t { kRatioAtLeast, kRatioAtMost, kValueAtMost };

struct Target {
  Bound bound = Bound::kRatioAtLeast;
  double limit = 0;
};

struct Row {
  std::string name;     // "materialize into 4 KiB pages, bf16"
  std::string against;  // what the reference is, for a person
  std::string unit;     // of both values: "GB/s", "s", "us", "MB"
  Better better = Better::kHigher;
  std::vector<double> ours;       // by round
  std::vector<double> reference;  // by round, or empty where there is none
  std::optional<Target> target;   // nothing: shown for information
  std::string skipped;            // why nothing was measured; then the values are empty

  bool measured() const { return skipped.empty() && !ours.empty(); }
  double Value() const;  // median; of a measured row, as the next two
  std::optional<double> ReferenceValue() const;
  // Median of the rounds' ratios, above 1 where ours is the better one; of a row with kRatioAtMost, ours / reference.
  std::optional<double> Ratio() const;
  // The least and the greatest of what Ratio is the median of: how far the machine lets one round lie from another.
  std::optional<std::pair<double, double>> RatioRange() const;
  std::optional<bool> Met() const;  // nothing where there is no target or no measurement
};

// "at least 1.10", "at most 250 MB", "" where there is none.
std::string TargetText(const Row& row);

// Three significant digits: "2.41", "57.2", "1024".
std::string NumberText(double value);

}  // namespace shardfs::bench
