// MindSpore's strategies. The first byte of the input says whether the rest is protobuf or JSON. What is read is asked
// everything that layouts ask of it, within bounds that do not depend on its numbers.
#include <algorithm>

#include "fuzz/fuzz_target.h"
#include "layout/mindspore/gathered_ranks.h"
#include "layout/mindspore/slice.h"
#include "layout/mindspore/strategy_file.h"

namespace shardfs::testing {
namespace {

void CheckGrid(const ParameterLayout& layout, Placement placement) {
  const auto grid = SliceGrid::Create(layout, placement);
  if (!grid.ok()) {
    SHARDFS_FUZZ_CHECK(grid.status().code() == StatusCode::kCorruption);
    return;
  }
  SHARDFS_FUZZ_CHECK(grid->devices() == DevicesOf(layout));
  SHARDFS_FUZZ_CHECK(grid->cells() <= grid->devices());
  for (const std::uint32_t device : {0u, 1u, grid->devices() - 1}) {
    SHARDFS_FUZZ_CHECK(grid->CellOf(device) < grid->cells());
  }
  const auto full = grid->FullShape(Shape(grid->axes(), 1));
  if (!full.ok()) return;
  SHARDFS_FUZZ_CHECK(*grid->SliceShape(*full) == Shape(grid->axes(), 1));
  const auto gathered = GatheredDevices(*grid, SliceGrid::Whole(grid->axes()), *full, 0);
  SHARDFS_FUZZ_CHECK(gathered.ok() && gathered->size() == grid->cells());
}

}  // namespace
}  // namespace shardfs::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  if (size == 0) return 0;
  const auto text = testing::AsText(data + 1, size - 1);
  const auto strategy = data[0] == 'j' ? ParseJsonStrategy(text, "fuzz") : ParseProtobufStrategy(text, "fuzz");
  if (!strategy.ok()) {
    const StatusCode code = strategy.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
    return 0;
  }
  SHARDFS_FUZZ_CHECK((*strategy)->devices() <= kMostDevices && !(*strategy)->stages().empty());
  for (const StrategyParameter& parameter : (*strategy)->parameters()) {
    SHARDFS_FUZZ_CHECK(!parameter.entries.empty() && parameter.name.find('-') == parameter.name.npos);
    SHARDFS_FUZZ_CHECK((*strategy)->Find(parameter.name) == &parameter);
    SHARDFS_FUZZ_CHECK(parameter.IsOn(parameter.SourceEntry().stage));
    static_cast<void>((*strategy)->DestinationEntry(parameter, 1));
  }
  for (const ParameterLayout& layout :
       (*strategy)->layouts().first(std::min<std::size_t>((*strategy)->layouts().size(), 64))) {
    testing::CheckGrid(layout, Placement::kTools);
    testing::CheckGrid(layout, Placement::kTraining);
  }
  return 0;
}
