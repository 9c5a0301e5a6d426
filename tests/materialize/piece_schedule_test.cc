#include "materialize/piece_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "materialize/counting_source.h"
#include "shardfs/tensor/tensor.h"

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PieceTest, BlocksOfAFile) {
  EXPECT_EQ(BlockCount(0), 1u);
  EXPECT_EQ(BlockCount(1), 1u);
  EXPECT_EQ(BlockCount(kBlockBytes), 1u);
  EXPECT_EQ(BlockCount(kBlockBytes + 1), 2u);
  EXPECT_EQ(PieceBytes({0, 0}, 0), 0u);
  EXPECT_EQ(PieceBytes({0, 0}, kBlockBytes + 7), kBlockBytes);
  EXPECT_EQ(PieceBytes({0, 1}, kBlockBytes + 7), 7u);
}

class PiecesInSourceOrderTest : public ::testing::Test {
 protected:
  // A file whose bytes are a stretch of a source, behind a header.
  void AddFile(const ByteSource* source, std::uint64_t offset, std::uint64_t size) {
    const NamedTensor tensor{"t", Tensor::Source(source, offset, Dtype::kI8, {size}).value()};
    owned_.push_back(MakeTensorFile({&tensor, 1}, nullptr).value());
    files_.push_back({std::to_string(files_.size()), owned_.back().get()});
  }

  std::vector<std::unique_ptr<const VirtualFile>> owned_;
  std::vector<PlannedFile> files_;
  const CountingSource a_{"a", 1, 64u << 20};
  const CountingSource b_{"b", 2, 64u << 20};
};

TEST_F(PiecesInSourceOrderTest, ByNameOfTheSourceThenByOffset) {
  AddFile(&b_, 0, 1000);
  AddFile(&a_, 9000, 1000);
  AddFile(&a_, 100, 1000);
  owned_.push_back(Pattern(1, 10));
  files_.push_back({"without a source", owned_.back().get()});
  EXPECT_THAT(PiecesInSourceOrder(files_, {true, true, true, true}),
              ElementsAre(Piece{3, 0}, Piece{2, 0}, Piece{1, 0}, Piece{0, 0}));
  EXPECT_THAT(PiecesInSourceOrder(files_, {true, false, true, false}), ElementsAre(Piece{2, 0}, Piece{0, 0}));
}

TEST_F(PiecesInSourceOrderTest, ShardsOfOneStretchStandSideBySide) {
  AddFile(&a_, 0, 3 * kBlockBytes);
  AddFile(&a_, 0, 3 * kBlockBytes);
  EXPECT_THAT(PiecesInSourceOrder(files_, {true, true}),
              ElementsAre(Piece{0, 0}, Piece{1, 0}, Piece{0, 1}, Piece{1, 1}, Piece{0, 2}, Piece{1, 2}, Piece{0, 3},
                          Piece{1, 3}));
}

TEST(PieceScheduleTest, InOrderAndOneOfAFileAtATime) {
  PieceSchedule schedule({{0, 0}, {0, 1}, {1, 0}, {0, 2}}, 2);
  EXPECT_EQ(schedule.Take(), 0u);
  EXPECT_EQ(schedule.Take(), 2u) << "file 0 has a writer";
  EXPECT_EQ(schedule.Take(), std::nullopt);
  schedule.Return(0);
  EXPECT_EQ(schedule.Take(), 1u);
  schedule.Return(2);
  EXPECT_EQ(schedule.Take(), std::nullopt) << "file 1 is complete";
  schedule.Return(1);
  EXPECT_EQ(schedule.Take(), 3u);
  schedule.Return(3);
  EXPECT_EQ(schedule.Take(), std::nullopt);
}

TEST(PieceScheduleTest, UpcomingIsWhatTheWritersTakeNext) {
  PieceSchedule schedule({{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {2, 0}}, 3);
  EXPECT_THAT(schedule.Upcoming(3), IsEmpty()) << "nobody writes";
  ASSERT_EQ(schedule.Take(), 0u);
  ASSERT_EQ(schedule.Take(), 3u);
  EXPECT_THAT(schedule.Upcoming(1), ElementsAre(1));
  EXPECT_THAT(schedule.Upcoming(9), ElementsAre(1, 4, 2, 5));
}

TEST(PieceScheduleTest, EveryPieceIsHandedOutOnce) {
  std::vector<Piece> pieces;
  for (std::uint32_t i = 0; i < 300; ++i) pieces.push_back({i * 7 % 13, i});
  PieceSchedule schedule(pieces, 13);
  std::map<std::size_t, int> seen;
  std::vector<std::size_t> held;
  for (;;) {
    while (held.size() < 5) {
      const auto index = schedule.Take();
      if (!index) break;
      ++seen[*index];
      held.push_back(*index);
    }
    if (held.empty()) break;
    schedule.Return(held.front());
    held.erase(held.begin());
  }
  EXPECT_EQ(seen.size(), pieces.size());
  for (const auto& [index, times] : seen) EXPECT_EQ(times, 1) << index;
}

}  // namespace
}  // namespace shardfs
