// LatencyHistogram: how long requests took, in buckets of an eighth of a power of two (so a quantile is right to within
// 12.5 %), from a nanosecond to 18 minutes.
//
// Thread-safety: Record from any number of threads, without locks and without allocating; Take at the same time gives
// buckets that are each exact, of slightly different instants.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shardfs {

class LatencyHistogram {
 public:
  // Bucket i holds the durations above UpperBound(i - 1), up to and including UpperBound(i).
  static constexpr std::size_t kBuckets = 304;
  static std::size_t BucketOf(std::uint64_t nanoseconds);
  static std::uint64_t UpperBound(std::size_t bucket);  // nanoseconds

  struct Snapshot {
    std::array<std::uint64_t, kBuckets> counts{};
    std::uint64_t count = 0;   // the sum of counts
    std::uint64_t sum_ns = 0;  // of all durations
    std::uint64_t max_ns = 0;

    // Adds the durations of another histogram.
    void Add(const Snapshot& other);

    // The least bound that `fraction` (0 to 1) of the durations do not exceed, and at most max_ns; 0 without durations.
    std::uint64_t Quantile(double fraction) const;
    // How many durations are in buckets that end at `nanoseconds` or before: those that are at most that long, but for
    // those in the bucket that holds it.
    std::uint64_t CountUpTo(std::uint64_t nanoseconds) const;
  };

  void Record(std::uint64_t nanoseconds);
  Snapshot Take() const;

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
  std::atomic<std::uint64_t> max_ns_{0};
};

}  // namespace shardfs
