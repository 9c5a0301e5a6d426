// The slices of devices: the spec's worked examples, and random layouts against the definition by elements. Slice,
// merge and re-shard go through expressions and read plans, as files do.
#include "layout/mindspore/slice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>

#include "layout/mindspore/assemble.h"
#include "layout/mindspore/gathered_ranks.h"
#include "layout/mindspore/slice_oracle.h"
#include "layout/mindspore/whole_cut.h"
#include "shardfs/tensor/read_plan.h"
#include "tensor/memory_source.h"

namespace shardfs::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ParameterLayout Flat(std::vector<std::uint32_t> matrix, const std::vector<std::int32_t>& map, std::int32_t step = 0,
                     std::int32_t size = 0) {
  ParameterLayout layout{std::move(matrix), {}, false, step, size};
  for (const std::int32_t number : map) layout.tensor_map.push_back({number});
  return layout;
}

SliceGrid GridOf(const ParameterLayout& layout, Placement placement = Placement::kTools) {
  auto grid = SliceGrid::Create(layout, placement);
  EXPECT_TRUE(grid.ok()) << grid.status();
  return grid.ok() ? *grid : SliceGrid::Whole(layout.tensor_map.size());
}

// "0:4,4:8": rows and columns of a device.
std::string RangesOf(const ParameterLayout& layout, const Shape& full, std::uint32_t device) {
  const SliceGrid grid = GridOf(layout);
  const Box box = grid.BoxOf(grid.CellOf(device), full);
  std::string text;
  for (std::size_t axis = 0; axis < full.size(); ++axis) {
    text += (axis == 0 ? "" : ",") + std::to_string(box.begin[axis]) + ":" + std::to_string(box.end[axis]);
  }
  return text;
}

TEST(SliceGridTest, HasTheSpecsExamples) {
  const Shape full = {8, 16};
  EXPECT_EQ(RangesOf(Flat({2, 4}, {1, 0}), full, 6), "4:8,8:12");
  EXPECT_EQ(RangesOf(Flat({2, 4}, {0, 1}), full, 3), "6:8,0:8");
  EXPECT_EQ(RangesOf(Flat({2, 4}, {0, 1}), full, 4), "0:2,8:16");
  EXPECT_EQ(RangesOf(Flat({2, 4}, {-1, 0}), full, 5), "0:8,4:8");
  EXPECT_EQ(RangesOf(Flat({2, 4}, {-1, 0}, 4, -1), full, 4), "4:8,0:4");
  EXPECT_EQ(RangesOf(Flat({2, 4}, {-1, 0}, 4, -1), full, 7), "4:8,12:16");
  const std::vector<std::uint32_t> rows = {0, 2, 4, 6, 1, 3, 5, 7};
  for (std::uint32_t device = 0; device < rows.size(); ++device) {
    EXPECT_EQ(RangesOf(Flat({2, 4}, {0, -1}, 4, -1), full, device),
              std::to_string(rows[device]) + ":" + std::to_string(rows[device] + 1) + ",0:16");
  }
  EXPECT_EQ(RangesOf(Flat({2, 4}, {-1, -1}, 1, 2), full, 2), "0:4,0:16");
  EXPECT_EQ(RangesOf(Flat({2, 4}, {-1, -1}, 1, 2), full, 5), "4:8,0:16");
  EXPECT_EQ(RangesOf(Flat({2, 2, 2}, {1, -1}, 1, -1), {16, 8}, 5), "6:8,0:8");
  EXPECT_EQ(RangesOf(Flat({2, 2, 2}, {1, -1}, 1, -1), {16, 8}, 3), "10:12,0:8");
  const ParameterLayout nested{{2, 2, 2}, {{1, 2}, {0}}, true, 0, 0};
  EXPECT_EQ(RangesOf(nested, {8, 8}, 4), "2:4,0:4");
  EXPECT_EQ(RangesOf(nested, {8, 8}, 3), "4:6,4:8");
}

TEST(SliceGridTest, PlacementsDifferWhereAxesAndDeviceDimsAreInDifferentOrder) {
  const ParameterLayout transposed = Flat({2, 2, 4}, {0, 1}, 8, -1);
  const SliceGrid tools = GridOf(transposed, Placement::kTools);
  const SliceGrid training = GridOf(transposed, Placement::kTraining);
  EXPECT_TRUE(tools.placements_differ());
  EXPECT_TRUE(training.placements_differ());
  EXPECT_NE(tools.CellOf(1), training.CellOf(1));
  EXPECT_FALSE(GridOf(Flat({2, 2, 4}, {1, 0}, 8, -1)).placements_differ());
  EXPECT_FALSE(GridOf(Flat({2, 4}, {-1, -1}, 1, -1)).placements_differ());
}

TEST(SliceGridTest, RefusesShardsThatDoNotFit) {
  const auto refusal = [](const ParameterLayout& layout) {
    return std::string(SliceGrid::Create(layout, Placement::kTools).status().message());
  };
  EXPECT_THAT(refusal(Flat({2, 4}, {1, 0}, 1, 2)), HasSubstr("no device dim is left"));
  EXPECT_THAT(refusal(Flat({2, 4}, {-1, 0}, 4, 4)), HasSubstr("is of 4 devices, and 2 hold the same slice"));
  EXPECT_THAT(refusal(Flat({2, 4}, {-1, 0}, 2, -1)), HasSubstr("step of the optimizer shard is 2"));
  EXPECT_THAT(refusal(Flat({2, 3, 2}, {-1, 0}, 2, 4)), HasSubstr("does not divide the device dims"));
  EXPECT_THAT(refusal(Flat({2, 4}, {-1, 0}, 0, 2)), HasSubstr("step of the optimizer shard is 0"));
  EXPECT_EQ(refusal(Flat({2, 4}, {-1, 0}, 0, -1)), "");
}

TEST(GatheredDevicesTest, HasTheSpecsExamples) {
  const Shape full = {64, 64};
  const auto gathered = [&](const ParameterLayout& from, const ParameterLayout& to, std::uint32_t device) {
    return *GatheredDevices(GridOf(from), GridOf(to), full, device);
  };
  EXPECT_THAT(gathered(Flat({2, 4}, {1, 0}), Flat({8}, {0, -1}), 1), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(gathered(Flat({2, 4}, {1, 0}), Flat({8}, {0, -1}), 5), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(gathered(Flat({2, 4}, {0, -1}), Flat({4, 2}, {0, -1}), 1), ElementsAre(0, 1, 2, 3));
  const SliceGrid whole = SliceGrid::Whole(2);
  EXPECT_THAT(*GatheredDevices(GridOf(Flat({2, 4}, {-1, 0})), whole, full, 0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(*GatheredDevices(GridOf(Flat({2, 4}, {-1, -1}, 1, 2)), whole, full, 0), ElementsAre(0, 1));
  const auto uneven = GatheredDevices(GridOf(Flat({3}, {0, -1})), GridOf(Flat({2}, {0, -1})), full, 0);
  EXPECT_THAT(std::string(uneven.status().message()),
              HasSubstr("over 3 devices of a stage, and the destination over 2"));
}

// --- random layouts ---

// A full tensor of elements that say their own number, and its slices by definition, each in memory.
class Slices {
 public:
  Slices(const ParameterLayout& layout, const Shape& full) : full_(full) {
    for (std::uint32_t device = 0; device < DevicesOf(layout); ++device) {
      elements_.push_back(ElementsOf(layout, full, device));
      const auto bytes = std::as_bytes(std::span(elements_.back()));
      sources_.push_back(std::make_unique<MemorySource>(std::vector<std::byte>(bytes.begin(), bytes.end()), true));
    }
  }

  const std::vector<std::uint32_t>& ElementsOfDevice(std::uint32_t device) const { return elements_[device]; }
  Result<TensorPtr> Build(std::uint32_t device, const Shape& shape) const {
    return Tensor::Source(sources_[device].get(), 0, Dtype::kU32, shape);
  }

 private:
  Shape full_;
  std::vector<std::vector<std::uint32_t>> elements_;
  std::vector<std::unique_ptr<MemorySource>> sources_;
};

std::vector<std::uint32_t> Read(const Result<TensorPtr>& tensor) {
  EXPECT_TRUE(tensor.ok()) << tensor.status();
  if (!tensor.ok()) return {};
  const auto plan = LowerToPlan(*tensor);
  EXPECT_TRUE(plan.ok()) << plan.status();
  std::vector<std::uint32_t> elements((*tensor)->elements());
  EXPECT_TRUE(plan->ReadAt(0, std::as_writable_bytes(std::span(elements))).ok());
  return elements;
}

std::vector<std::uint32_t> AllElements(const Shape& full) {
  std::vector<std::uint32_t> elements(*ElementCount(full));
  for (std::uint32_t i = 0; i < elements.size(); ++i) elements[i] = i;
  return elements;
}

constexpr int kCases = 10'000;
constexpr std::uint32_t kDevices[] = {1, 2, 4, 8};

class RandomCase {
 public:
  explicit RandomCase(RandomNumbers& random)
      : axes(1 + Below(random, 3)),
        from(RandomLayout(random, kDevices[Below(random, 4)], axes)),
        to(RandomLayout(random, kDevices[Below(random, 4)], axes)),
        full(RandomShape(random, {from, to}, axes)) {}

  std::string Describe() const {
    return "from " + DescribeLayout(from) + " to " + DescribeLayout(to) + " of " + ShapeToString(full);
  }

  std::size_t axes;
  ParameterLayout from;
  ParameterLayout to;
  Shape full;
};

TEST(SlicePropertyTest, EachDeviceHoldsWhatTheDefinitionSays) {
  RandomNumbers random(20'250'701);
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    const RandomCase one(random);
    SCOPED_TRACE(one.Describe());
    ASSERT_TRUE(CheckParameterLayout(one.from).ok());
    const SliceGrid grid = GridOf(one.from, Placement::kTraining);
    const auto all = AllElements(one.full);
    const auto bytes = std::as_bytes(std::span(all));
    const MemorySource whole(std::vector<std::byte>(bytes.begin(), bytes.end()), true);
    const auto device = static_cast<std::uint32_t>(Below(random, grid.devices()));
    const auto cut = CutTensor(*Tensor::Source(&whole, 0, Dtype::kU32, one.full), grid, device);
    ASSERT_TRUE(cut.ok());
    EXPECT_EQ((*cut)->shape(), *grid.SliceShape(one.full));
    EXPECT_EQ(*grid.FullShape((*cut)->shape()), one.full);
    EXPECT_EQ(Read(cut), ElementsOf(one.from, one.full, device));
  }
}

TEST(SlicePropertyTest, AllSlicesTogetherAreTheWhole) {
  RandomNumbers random(20'250'702);
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    const RandomCase one(random);
    SCOPED_TRACE(one.Describe());
    const SliceGrid grid = GridOf(one.from, Placement::kTraining);
    const Slices slices(one.from, one.full);
    const auto first = grid.FirstDevices();
    const Shape slice = *grid.SliceShape(one.full);
    EXPECT_EQ(Read(AssembleBox(grid, one.full, WholeBox(one.full),
                               [&](std::uint64_t cell) { return slices.Build(first[cell], slice); })),
              AllElements(one.full));
  }
}

TEST(SlicePropertyTest, GatheredSlicesMakeTheSlicesOfAnotherLayout) {
  RandomNumbers random(20'250'703);
  for (int i = 0; i < kCases && !HasFailure(); ++i) {
    const RandomCase one(random);
    SCOPED_TRACE(one.Describe());
    const SliceGrid from = GridOf(one.from, Placement::kTraining);
    const SliceGrid to = GridOf(one.to, Placement::kTraining);
    const Slices slices(one.from, one.full);
    const Shape slice = *from.SliceShape(one.full);
    const auto device = static_cast<std::uint32_t>(Below(random, to.devices()));
    const auto gathered = GatheredDevices(from, to, one.full, device);
    ASSERT_TRUE(gathered.ok()) << gathered.status();
    std::map<std::uint64_t, std::uint32_t> device_of;
    for (const std::uint32_t member : *gathered) {
      EXPECT_TRUE(device_of.emplace(from.CellOf(member), member).second) << "two gathered devices hold one cell";
    }
    const auto box = to.BoxOf(to.CellOf(device), one.full);
    EXPECT_EQ(Read(AssembleBox(from, one.full, box,
                               [&](std::uint64_t cell) -> Result<TensorPtr> {
                                 const auto holder = device_of.find(cell);
                                 if (holder == device_of.end()) return Status::NotFound("a cell is not gathered");
                                 return slices.Build(holder->second % from.devices(), slice);
                               })),
              ElementsOf(one.to, one.full, device));
  }
}

}  // namespace
}  // namespace shardfs::testing
