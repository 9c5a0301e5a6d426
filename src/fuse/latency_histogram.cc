#include "fuse/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace shardfs {
namespace {

constexpr unsigned kPartBits = 3;  // a power of two is cut into 2^3 buckets
constexpr std::size_t kParts = std::size_t{1} << kPartBits;

}  // namespace

std::size_t LatencyHistogram::BucketOf(std::uint64_t nanoseconds) {
  // One less, so that a bound belongs to the bucket below it.
  const std::uint64_t value = nanoseconds == 0 ? 0 : nanoseconds - 1;
  if (value < kParts) return value;
  const unsigned exponent = static_cast<unsigned>(std::bit_width(value)) - 1;
  const std::size_t part = (value >> (exponent - kPartBits)) & (kParts - 1);
  return std::min((exponent - kPartBits + 1) * kParts + part, kBuckets - 1);
}

std::uint64_t LatencyHistogram::UpperBound(std::size_t bucket) {
  if (bucket < kParts) return bucket + 1;
  return (kParts + bucket % kParts + 1) << (bucket / kParts - 1);
}

void LatencyHistogram::Record(std::uint64_t nanoseconds) {
  counts_[BucketOf(nanoseconds)].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(nanoseconds, std::memory_order_relaxed);
  std::uint64_t max = max_ns_.load(std::memory_order_relaxed);
  while (nanoseconds > max && !max_ns_.compare_exchange_weak(max, nanoseconds, std::memory_order_relaxed)) {
  }
}

LatencyHistogram::Snapshot LatencyHistogram::Take() const {
  Snapshot snapshot;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    snapshot.counts[i] = counts_[i].load(std::memory_order_relaxed);
    snapshot.count += snapshot.counts[i];
  }
  snapshot.sum_ns = sum_ns_.load(std::memory_order_relaxed);
  snapshot.max_ns = max_ns_.load(std::memory_order_relaxed);
  return snapshot;
}

void LatencyHistogram::Snapshot::Add(const Snapshot& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts[i] += other.counts[i];
  count += other.count;
  sum_ns += other.sum_ns;
  max_ns = std::max(max_ns, other.max_ns);
}

std::uint64_t LatencyHistogram::Snapshot::Quantile(double fraction) const {
  if (count == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets - 1; ++i) {
    seen += counts[i];
    if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(UpperBound(i), max_ns);
  }
  return max_ns;  // the last bucket has no bound
}

std::uint64_t LatencyHistogram::Snapshot::CountUpTo(std::uint64_t nanoseconds) const {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kBuckets - 1 && UpperBound(i) <= nanoseconds; ++i) total += counts[i];
  return total;
}

}  // namespace shardfs
