// Large .ckpt files, of holes: what opening them reads. Counts, and no times.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "checkpoint/weights_file.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "source/scratch_directory.h"
#include "tools/ckpt_files.h"

namespace shardfs::testing {
namespace {

// A source that counts what is read of another.
class CountedReads final : public ByteSource {
 public:
  explicit CountedReads(const ByteSource& source) : source_(source) {}
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    ++reads_;
    bytes_ += destination.size();
    return source_.ReadAt(offset, destination);
  }
  std::uint64_t size() const override { return source_.size(); }
  const std::string& name() const override { return source_.name(); }
  std::uint64_t reads() const { return reads_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  const ByteSource& source_;
  mutable std::atomic<std::uint64_t> reads_{0};
  mutable std::atomic<std::uint64_t> bytes_{0};
};

class CkptScale : public ::testing::Test {
 protected:
  std::unique_ptr<FileSource> Write(const std::vector<NewTensor>& tensors) {
    const Status written = tools::WriteSparseCkpt(scratch_.path() / "net.ckpt", tensors);
    EXPECT_TRUE(written.ok()) << written;
    root_ = *SourceRoot::Open(scratch_.path().string());
    return std::move(root_->OpenFile("net.ckpt")).value();
  }
  ScratchDirectory scratch_;
  std::shared_ptr<const SourceRoot> root_;
};

TEST_F(CkptScale, AHundredThousandEntriesAreWalkedByAReadForManyOfThem) {
  const auto file = Write(tools::TinyTensors(100'000));
  const CountedReads counted(*file);
  const auto content = ReadCkpt(counted);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->tensors.size(), 100'000u);
  EXPECT_LT(counted.reads(), 10'000u);
  EXPECT_LT(counted.bytes(), 2 * file->size());
}

TEST_F(CkptScale, SixtyGigabytesTakeOneReadATensor) {
  std::vector<NewTensor> tensors;
  for (int i = 0; i < 60; ++i) tensors.push_back({"model.layers." + std::to_string(i), Dtype::kBF16, {500'000'000}});
  const auto file = Write(tensors);
  ASSERT_GT(file->size(), 60'000'000'000u);
  const CountedReads counted(*file);
  const auto content = ReadCkpt(counted);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->chunks.size(), 120u);
  EXPECT_LT(counted.reads(), 3 * content->chunks.size());
  EXPECT_LT(counted.bytes(), 3 * content->chunks.size() * 4096);
}

TEST_F(CkptScale, EightRanksOfA70BModelOpenTogether) {
  std::vector<std::string> paths;
  for (int rank = 0; rank < 8; ++rank) {
    paths.push_back("checkpoint_" + std::to_string(rank) + ".ckpt");
    ASSERT_TRUE(tools::WriteSparseCkpt(scratch_.path() / paths.back(), tools::TensorsOf70B(8)).ok());
  }
  const auto root = SourceRoot::Open(scratch_.path().string());
  ASSERT_TRUE(root.ok()) << root.status();
  const auto files = OpenWeightsFiles(**root, paths, CkptOptions());
  ASSERT_TRUE(files.ok()) << files.status();
  std::uint64_t bytes = 0;
  for (const WeightsFile& file : *files) {
    EXPECT_EQ(file.tensors->specs().size(), 723u);
    bytes += file.file->size();
  }
  EXPECT_GT(bytes, 141'000'000'000u);
}

}  // namespace
}  // namespace shardfs::testing
