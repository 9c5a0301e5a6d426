// What a run asks of its source and of the system: guards on counts, which no clock decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "materialize/counting_source.h"
#include "materialize/temporary_directory.h"
#include "shardfs/materialize/materializer.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

std::uint64_t ProcessCounter(const std::string& name) {
  std::ifstream file("/proc/self/io");
  std::string key;
  std::uint64_t value = 0;
  while (file >> key >> value) {
    if (key == name + ":") return value;
  }
  ADD_FAILURE() << "no " << name << " in /proc/self/io";
  return 0;
}

class SourceOrderTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kShards = 4;
  static constexpr std::uint64_t kRows = 4096;
  static constexpr std::uint64_t kColumns = 2048;
  static constexpr std::uint64_t kTensorBytes = kRows * kColumns;

  SourceOrderTest() { std::filesystem::create_directory(root_ / "source"); }

  // The columns (or rows) of one of a source's tensors that a shard has.
  static TensorPtr Cut(const ByteSource* source, std::uint64_t number, std::uint64_t axis, std::uint64_t shard) {
    const auto whole = Tensor::Source(source, number * kTensorBytes, Dtype::kI8, {kRows, kColumns});
    const std::uint64_t length = (axis == 0 ? kRows : kColumns) / kShards;
    return Tensor::Slice(whole.value(), axis, shard * length, (shard + 1) * length).value();
  }

  // One file a shard, with its cut of every tensor of every source, tensors of even number by columns and the others by
  // rows; in reverse, so that the files' order is not the sources'.
  void AddGrid(std::uint64_t tensors) {
    for (std::uint64_t shard = 0; shard < kShards; ++shard) {
      std::vector<NamedTensor> cuts;
      for (const CountingSource* source : sources_) {
        for (std::uint64_t number = 0; number < tensors; ++number) {
          cuts.push_back({std::to_string(900 - number) + source->name(), Cut(source, number, 1 - number % 2, shard)});
        }
      }
      auto file = MakeTensorFile(cuts, nullptr);
      ASSERT_TRUE(file.ok()) << file.status();
      const std::string folder = "shard-" + std::to_string(shard);
      ASSERT_TRUE(builder_.AddDirectory(folder, RankSet::All(1)).ok());
      ASSERT_TRUE(builder_.AddFile(folder + "/model.safetensors", RankSet::All(1), std::move(*file)).ok());
    }
  }

  MaterializeSummary Run() {
    auto plan = MaterializePlan::Create(std::move(builder_).Build(), std::nullopt, root_ / "source", root_ / "out");
    if (!plan.ok()) {
      ADD_FAILURE() << plan.status();
      return {};
    }
    const auto summary = Materialize(*plan, options_, progress_, {});
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.ok() ? *summary : MaterializeSummary{};
  }

  TemporaryDirectory root_;
  std::vector<const CountingSource*> sources_;
  VirtualTreeBuilder builder_;
  MaterializeOptions options_;
  MaterializeProgress progress_;
};

TEST_F(SourceOrderTest, EachSourceByteIsReadFromItsDeviceOnce) {
  constexpr std::uint64_t kTensors = 6;
  // One worker: where two are, how far one gets while the other waits for a processor is the clock's affair.
  PageCache cache(24 * kMiB);  // of 96: three tensors
  const CountingSource first("a.safetensors", 1, kTensors * kTensorBytes, &cache);
  const CountingSource second("b.safetensors", 2, kTensors * kTensorBytes, &cache);
  sources_ = {&second, &first};
  AddGrid(kTensors);
  options_.threads = 1;
  Run();
  const std::uint64_t size = first.size() + second.size();
  EXPECT_EQ(first.bytes_asked() + second.bytes_asked(), size);
  EXPECT_LE(cache.bytes_from_device(), size + size / 50);
}

TEST_F(SourceOrderTest, WritesInLargeSteps) {
  const CountingSource source("a.safetensors", 1, 8 * kTensorBytes);
  sources_ = {&source};
  AddGrid(8);
  const std::uint64_t before = ProcessCounter("syscw");
  const MaterializeSummary summary = Run();
  const std::uint64_t calls = ProcessCounter("syscw") - before;
  EXPECT_LE(calls, summary.bytes / kMiB * 4 + 64) << "in " << summary.bytes / kMiB << " MiB";
}

TEST_F(SourceOrderTest, DropsThePagesBehindItselfOnceNobodyNeedsThem) {
  const CountingSource source("a.safetensors", 1, 8 * kTensorBytes);
  sources_ = {&source};
  AddGrid(8);
  options_.drop_source_cache = true;
  options_.threads = 3;
  Run();
  EXPECT_EQ(source.bytes_dropped(), source.size());
  EXPECT_EQ(source.reads_of_dropped(), 0u);
}

TEST_F(SourceOrderTest, KeepsThePagesUnlessAsked) {
  const CountingSource source("a.safetensors", 1, kTensorBytes);
  sources_ = {&source};
  AddGrid(1);
  Run();
  EXPECT_EQ(source.bytes_dropped(), 0u);
}

// Notices two reads of one file at once, which only two writers of it would do.
class OneReaderFile final : public PatternFile {
 public:
  OneReaderFile(std::uint64_t size, std::atomic<int>& collisions) : PatternFile(1, size), collisions_(collisions) {}
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    if (inside_.exchange(true)) ++collisions_;
    std::this_thread::yield();
    const Status status = PatternFile::ReadAt(offset, destination);
    inside_ = false;
    return status;
  }

 private:
  std::atomic<int>& collisions_;
  mutable std::atomic<bool> inside_{false};
};

TEST_F(SourceOrderTest, OneWriterAFile) {
  std::atomic<int> collisions = 0;
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(builder_.AddFile(name, RankSet::All(1), std::make_unique<OneReaderFile>(20 * kMiB, collisions)).ok());
  }
  options_.threads = 8;
  Run();
  EXPECT_EQ(collisions, 0);
}

// Not in memory until it has been prefetched; each prefetch waits until so many are under way.
class ColdSource final : public CountingSource {
 public:
  ColdSource(std::uint64_t size, int expected) : CountingSource("cold", 1, size), expected_(expected) {}

  bool IsCached(std::uint64_t, std::uint64_t) const override { return false; }
  void Prefetch(std::uint64_t, std::uint64_t) const override {
    std::unique_lock lock(mutex_);
    most_ = std::max(most_, ++inside_);
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(60), [this] { return most_ >= expected_; });
    --inside_;
  }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    {
      // Readers stay behind the read-ahead, as they would if they had to wait for the device themselves.
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::seconds(60), [this] { return most_ >= expected_; });
    }
    return CountingSource::ReadAt(offset, destination);
  }
  int most() const { return most_; }

 private:
  const int expected_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable int inside_ = 0;
  mutable int most_ = 0;
};

TEST_F(SourceOrderTest, ReadsAheadOfTheWriters) {
  const ColdSource source(8 * kTensorBytes, 4);
  sources_ = {&source};
  AddGrid(8);
  options_.threads = 1;
  options_.io_depth = 4;
  Run();
  EXPECT_EQ(source.most(), 4);
}

TEST_F(SourceOrderTest, NoReadAheadWithoutDepth) {
  const ColdSource source(4 * kTensorBytes, 0);
  sources_ = {&source};
  AddGrid(4);
  options_.io_depth = 0;
  Run();
  EXPECT_EQ(source.most(), 0);
}

}  // namespace
}  // namespace shardfs
