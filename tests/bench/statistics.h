// What is made of repeated measurements: medians, and the order in which variants take turns.
//
// Thread-safety: pure functions.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs::bench {

// The middle value, of an even number of values the mean of the middle two. `values` must not be empty.
double Median(std::vector<double> values);

// The median of ours[i] / reference[i]: the two of one round see the same state of the machine, so that what changes
// between rounds cancels out. Both must have the same number of values, at least one, and no reference may be zero.
double MedianRatio(const std::vector<double>& ours, const std::vector<double>& reference);

// The least and the greatest ours[i] / reference[i], of values as MedianRatio takes.
std::pair<double, double> RatioRange(const std::vector<double>& ours, const std::vector<double>& reference);

// Measures once; the value is in whatever unit the caller likes.
using Measurement = std::function<Result<double>()>;

// Lets all variants take turns `rounds` times, every second round in reverse order, so that none always comes after the
// same other. The values of each variant, in the order of rounds.
Result<std::vector<std::vector<double>>> Interleave(int rounds, const std::vector<Measurement>& variants);

}  // namespace shardfs::bench
