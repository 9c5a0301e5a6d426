#include "fuse/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace shardfs {
namespace {

TEST(LatencyHistogramTest, BucketsTileTheNumbers) {
  EXPECT_EQ(LatencyHistogram::BucketOf(0), 0u);
  EXPECT_EQ(LatencyHistogram::BucketOf(1), 0u);
  for (std::size_t i = 0; i + 1 < LatencyHistogram::kBuckets; ++i) {
    const std::uint64_t bound = LatencyHistogram::UpperBound(i);
    EXPECT_EQ(LatencyHistogram::BucketOf(bound), i) << bound;
    EXPECT_EQ(LatencyHistogram::BucketOf(bound + 1), i + 1) << bound;
    EXPECT_LE(LatencyHistogram::UpperBound(i + 1) - bound, std::max<std::uint64_t>(1, bound / 8)) << bound;
  }
  EXPECT_EQ(LatencyHistogram::UpperBound(LatencyHistogram::kBuckets - 1), std::uint64_t{1} << 40);
  EXPECT_EQ(LatencyHistogram::BucketOf(~std::uint64_t{0}), LatencyHistogram::kBuckets - 1);
}

TEST(LatencyHistogramTest, QuantilesAreRightToAnEighth) {
  std::mt19937_64 random(11);
  std::vector<std::uint64_t> values;
  LatencyHistogram histogram;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(1 + (random() >> (24 + random() % 30)));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  const LatencyHistogram::Snapshot snapshot = histogram.Take();
  for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const std::uint64_t exact = values[static_cast<std::size_t>(fraction * 10'000) - 1];
    EXPECT_GE(snapshot.Quantile(fraction), exact) << fraction;
    EXPECT_LE(snapshot.Quantile(fraction), exact + exact / 8 + 1) << fraction;
  }
  EXPECT_EQ(snapshot.Quantile(1), values.back());
  EXPECT_EQ(snapshot.max_ns, values.back());
  EXPECT_EQ(snapshot.count, values.size());
}

TEST(LatencyHistogramTest, CountsUpToPowersOfTwoAreExact) {
  LatencyHistogram histogram;
  for (const std::uint64_t value : {7u, 8u, 9u, 1024u, 1025u, 4096u}) histogram.Record(value);
  const LatencyHistogram::Snapshot snapshot = histogram.Take();
  EXPECT_EQ(snapshot.CountUpTo(8), 2u);
  EXPECT_EQ(snapshot.CountUpTo(1 << 10), 4u);
  EXPECT_EQ(snapshot.CountUpTo(1 << 11), 5u);
  EXPECT_EQ(snapshot.CountUpTo(std::uint64_t{1} << 40), 6u);
}

TEST(LatencyHistogramTest, NothingRecordedIsZero) {
  const LatencyHistogram::Snapshot snapshot = LatencyHistogram().Take();
  EXPECT_EQ(snapshot.Quantile(0.5), 0u);
  EXPECT_EQ(snapshot.max_ns, 0u);
  EXPECT_EQ(snapshot.count, 0u);
}

TEST(LatencyHistogramTest, ThreadsLoseNothing) {
  LatencyHistogram histogram;
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t t = 1; t <= 4; ++t) {
      threads.emplace_back([&histogram, t] {
        for (std::uint64_t i = 0; i < 20'000; ++i) histogram.Record(t * 1000 + i);
      });
    }
  }
  const LatencyHistogram::Snapshot snapshot = histogram.Take();
  EXPECT_EQ(snapshot.count, 80'000u);
  EXPECT_EQ(snapshot.max_ns, 4000u + 19'999);
  EXPECT_EQ(snapshot.sum_ns, 10'000u * 20'000 + 4u * (19'999ull * 20'000 / 2));
}

}  // namespace
}  // namespace shardfs
