#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "shardfs/tensor/read_plan.h"
#include "tensor/gather_kernels.h"
#include "tensor/memory_source.h"

namespace shardfs {
namespace {

std::vector<std::byte> RandomBytes(std::size_t size) {
  std::mt19937 random(11);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

GatherDim Listed(std::vector<std::uint64_t> offsets) {
  const std::uint64_t count = offsets.size();
  return {count, 0, std::make_shared<const std::vector<std::uint64_t>>(std::move(offsets))};
}

// Runs around the sizes of vectors, cache lines and what is asked for ahead; rows that touch, lie apart, are listed, go
// backwards and are nested.
std::vector<GatherPattern> Patterns() {
  std::vector<GatherPattern> patterns;
  for (const std::uint64_t run : {1u, 2u, 3u, 4u, 5u, 8u, 12u, 16u, 31u, 33u, 63u, 64u, 65u, 127u, 200u, 512u, 513u,
                                  1792u, 2048u, 4095u, 4096u, 4097u, 5000u}) {
    const std::uint64_t stride = run + 37;
    patterns.push_back({nullptr, 1, {{23, stride, nullptr}}, run});
    patterns.push_back({nullptr, 3, {Listed({5 * stride, 0, 7 * stride, 7 * stride, stride, 2 * stride})}, run});
    patterns.push_back({nullptr, 0, {{3, 11 * stride, nullptr}, {9, stride, nullptr}}, run});
    patterns.push_back({nullptr, 7, {Listed({4 * stride, 0}), {2, stride, nullptr}, {2, 2 * stride, nullptr}}, run});
  }
  return patterns;
}

std::uint64_t EndOf(const GatherPattern& pattern) {
  std::uint64_t end = pattern.base + pattern.run;
  for (const GatherDim& dim : pattern.dims) end += dim.Reach();
  return end;
}

TEST(Gather, EveryKernelGivesWhatRunByRunGives) {
  std::mt19937 random(5);
  for (const GatherPattern& pattern : Patterns()) {
    const auto input = RandomBytes(EndOf(pattern));
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t offset = i == 0 ? 0 : random() % pattern.size();
      const std::uint64_t count = i == 0 ? pattern.size() : 1 + random() % (pattern.size() - offset);
      std::vector<std::byte> kernel(count + 2, std::byte{0x55});
      std::vector<std::byte> runs(count);
      GatherBytes(pattern, input.data(), offset, count, kernel.data() + 1);  // at an odd address
      CopyRuns(pattern, input.data(), offset, count, runs.data());
      ASSERT_TRUE(std::equal(runs.begin(), runs.end(), kernel.begin() + 1))
          << "runs of " << pattern.run << ", " << pattern.dims.size() << " dims, " << offset << "+" << count;
      ASSERT_EQ(kernel.front(), std::byte{0x55});
      ASSERT_EQ(kernel.back(), std::byte{0x55});
    }
  }
}

// A source whose mapping, if it has one, cannot be touched: a test that did would crash.
class UntouchableSource final : public ByteSource {
 public:
  explicit UntouchableSource(std::vector<std::byte> bytes, bool is_mapped = false)
      : bytes_(std::move(bytes)), is_mapped_(is_mapped) {
    void* const mapping = ::mmap(nullptr, bytes_.size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) std::abort();
    mapping_ = static_cast<const std::byte*>(mapping);
  }
  ~UntouchableSource() override { ::munmap(const_cast<std::byte*>(mapping_), bytes_.size()); }

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    if (offset + destination.size() > bytes_.size()) return Status::InvalidArgument("untouchable: read outside");
    if (++reads_ == fails_at_) return Status::IoError("untouchable: made to fail");
    read_bytes_ += destination.size();
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), destination.size(), destination.begin());
    return Status::Ok();
  }
  std::span<const std::byte> Mapped() const override {
    return is_mapped_ ? std::span(mapping_, bytes_.size()) : std::span<const std::byte>();
  }
  std::uint64_t size() const override { return bytes_.size(); }
  const std::string& name() const override { return name_; }

  std::size_t reads() const { return reads_; }
  std::uint64_t read_bytes() const { return read_bytes_; }
  void FailAt(std::size_t read) const { fails_at_ = read; }

 private:
  std::vector<std::byte> bytes_;
  const bool is_mapped_;
  const std::byte* mapping_;
  std::string name_ = "untouchable";
  mutable std::atomic<std::size_t> reads_{0};
  mutable std::atomic<std::uint64_t> read_bytes_{0};
  mutable std::size_t fails_at_ = 0;
};

Result<std::vector<std::byte>> Read(const GatherPattern& pattern, std::uint64_t offset, std::uint64_t count) {
  std::vector<std::byte> bytes(count);
  SHARDFS_RETURN_IF_ERROR(ReadGather(pattern, offset, bytes));
  return bytes;
}

TEST(Gather, WhatIsNotMappedIsRead) {
  std::mt19937 random(7);
  for (GatherPattern pattern : Patterns()) {
    const auto input = RandomBytes(EndOf(pattern));
    const UntouchableSource source(input);
    pattern.source = &source;
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t offset = i == 0 ? 0 : random() % pattern.size();
      const std::uint64_t count = i == 0 ? pattern.size() : 1 + random() % (pattern.size() - offset);
      std::vector<std::byte> runs(count);
      CopyRuns(pattern, input.data(), offset, count, runs.data());
      const auto read = Read(pattern, offset, count);
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_EQ(*read, runs) << "runs of " << pattern.run << ", " << offset << "+" << count;
    }
  }
}

TEST(Gather, FewRowsThatLieCloseTogetherAreOneRead) {
  const UntouchableSource source(RandomBytes(std::size_t{4} << 20), true);
  const GatherPattern pattern{&source, 512, {{2048, 2048, nullptr}}, 512};
  for (std::uint64_t at = 0; at < pattern.size(); at += kSmallReadBytes) {
    ASSERT_TRUE(Read(pattern, at, kSmallReadBytes).ok());
  }
  EXPECT_EQ(source.reads(), pattern.size() / kSmallReadBytes);
  EXPECT_LE(source.read_bytes(), source.size());
}

TEST(Gather, OfFewRowsThatLieFarApartNothingElseIsRead) {
  const UntouchableSource source(RandomBytes(std::size_t{4} << 20), true);
  const GatherPattern pattern{&source, 0, {{256, 16384, nullptr}}, 2048};
  for (std::uint64_t at = 0; at < pattern.size(); at += kSmallReadBytes) {
    ASSERT_TRUE(Read(pattern, at, kSmallReadBytes).ok());
  }
  EXPECT_EQ(source.reads(), 256u);
  EXPECT_EQ(source.read_bytes(), pattern.size());
}

TEST(Gather, FewRowsAnywhereAreWhatRunByRunGives) {
  std::mt19937 random(13);
  for (GatherPattern pattern : Patterns()) {
    if (pattern.run <= 8) continue;  // single elements
    const auto input = RandomBytes(EndOf(pattern));
    const UntouchableSource source(input, true);
    pattern.source = &source;
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t offset = random() % pattern.size();
      const std::uint64_t count = 1 + random() % std::min(pattern.size() - offset, kSmallReadBytes);
      std::vector<std::byte> runs(count);
      CopyRuns(pattern, input.data(), offset, count, runs.data());
      const auto read = Read(pattern, offset, count);
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_EQ(*read, runs) << "runs of " << pattern.run << ", " << offset << "+" << count;
    }
  }
}

// A page of page tables for each would be most of what such a read costs.
TEST(Gather, FewRowsAreReadAndNotTouched) {
  const auto input = RandomBytes(std::size_t{4} << 20);
  const UntouchableSource source(input, true);
  const GatherPattern pattern{&source, 512, {{2048, 2048, nullptr}}, 512};
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{777}, pattern.size() - 4096}) {
    const std::size_t before = source.reads();
    const auto read = Read(pattern, offset, 4096);
    ASSERT_TRUE(read.ok());
    std::vector<std::byte> runs(4096);
    CopyRuns(pattern, input.data(), offset, runs.size(), runs.data());
    EXPECT_EQ(*read, runs);
    EXPECT_EQ(source.reads() - before, 1u);
  }
}

TEST(Gather, AnyReadThatFailsFailsTheWhole) {
  const UntouchableSource source(RandomBytes(std::size_t{1} << 20));
  const GatherPattern pattern{&source, 0, {{512, 2048, nullptr}}, 512};
  ASSERT_TRUE(Read(pattern, 0, pattern.size()).ok());
  const std::size_t reads = source.reads();
  ASSERT_GT(reads, 4u);
  for (std::size_t bad = 1; bad <= reads; ++bad) {
    source.FailAt(source.reads() + bad);
    EXPECT_EQ(Read(pattern, 0, pattern.size()).status().code(), StatusCode::kIoError) << "read " << bad;
  }
  source.FailAt(0);
  EXPECT_TRUE(Read(pattern, 0, pattern.size()).ok());
}

}  // namespace
}  // namespace shardfs
