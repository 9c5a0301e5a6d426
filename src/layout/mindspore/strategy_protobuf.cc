// Protobuf strategies, by the generated lite classes. A parse takes memory in proportion to the file: the smallest
// message in it is two bytes, and an object of about fifty.
#include <fmt/format.h>
#include <parallel_strategy.pb.h>

#include <new>
#include <string>

#include "base/quote_name.h"
#include "layout/mindspore/strategy_file.h"
#include "layout/mindspore/strategy_merge.h"
#include "shardfs/base/file_digest.h"

namespace shardfs {
namespace {

using mindspore_proto::ParallelLayoutItem;
using mindspore_proto::ParallelLayouts;
using mindspore_proto::ParallelStrategyMap;

// A map of one axis is written with an empty second one, so that it is not taken for a flat one.
void TakeTensorMap(const ParallelLayouts& from, ParameterLayout& layout) {
  layout.is_nested = from.tensor_map_size() > 1;
  if (layout.is_nested) {
    for (const auto& axis : from.tensor_map()) {
      if (axis.dim_size() > 0) layout.tensor_map.emplace_back(axis.dim().begin(), axis.dim().end());
    }
    return;
  }
  for (const std::int32_t number : from.tensor_map(0).dim()) layout.tensor_map.push_back({number});
}

Result<ParameterLayout> LayoutOf(const ParallelLayouts& from) {
  if (from.dev_matrix_size() == 0) return Status::Corruption("it has no device matrix");
  if (from.tensor_map_size() == 0) return Status::Corruption("it has no tensor map");
  if (from.param_split_shape_size() == 0) return Status::Corruption("it has no param_split_shape");
  if (from.dev_matrix(0).dim_size() == 0) {
    return Status::Corruption("its device matrix is empty: the strategy is of pipeline parallelism only");
  }
  if (from.field() > 0 || from.param_split_shape(0).dim_size() > 0) {
    return Status::NotSupported(
        "it is an embedding table that was cut by hand (field, param_split_shape), which MindSpore's tools for "
        "safetensors do not cover either");
  }
  ParameterLayout layout;
  layout.device_matrix.assign(from.dev_matrix(0).dim().begin(), from.dev_matrix(0).dim().end());
  TakeTensorMap(from, layout);
  layout.shard_step = from.opt_weight_shard_step();
  layout.shard_size = from.opt_weight_shard_size();
  return layout;
}

Result<ParallelStrategyMap> ParseMap(std::string_view bytes) {
  if (bytes.empty()) return Status::Corruption("it is empty");
  if (bytes.size() > kMaxStrategyBytes) {
    return Status::NotSupported(fmt::format("it has {} bytes, more than {}", bytes.size(), kMaxStrategyBytes));
  }
  ParallelStrategyMap map;
  if (!map.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Status::Corruption("it is no strategy that MindSpore has saved (a protobuf ParallelStrategyMap)");
  }
  return map;
}

Result<StrategyPtr> Parse(std::string_view bytes) {
  SHARDFS_ASSIGN_OR_RETURN(const ParallelStrategyMap map, ParseMap(bytes));
  std::vector<Strategy::Item> items;
  items.reserve(static_cast<std::size_t>(map.parallel_layout_item_size()));
  for (const ParallelLayoutItem& item : map.parallel_layout_item()) {
    auto layout = LayoutOf(item.parallel_layouts());
    if (!layout.ok()) return layout.status().WithContext(fmt::format("parameter {}", QuoteName(item.param_name())));
    items.push_back({item.param_name(), std::move(layout).value()});
  }
  return Strategy::Create(std::move(items), {.is_json = false,
                                             .has_operators = map.parallel_strategy_item_size() > 0,
                                             .digest = FileDigest::OfBytes(std::as_bytes(std::span(bytes))).ToHex()});
}

class ProtobufMerger final : public StrategyMerger {
 public:
  ProtobufMerger() { merged_.set_current_stage(1); }

  Result<std::uint32_t> StageOf(std::string_view bytes) override {
    SHARDFS_ASSIGN_OR_RETURN(map_, ParseMap(bytes));
    if (map_.parallel_strategy_item_size() == 0) return Status::Corruption("it has no strategy of an operator");
    if (map_.parallel_layout_item_size() == 0) return Status::Corruption("it has the layout of no parameter");
    return map_.parallel_strategy_item(0).parallel_strategys().stage();
  }

  void Take(std::uint32_t stage) override {
    for (auto& item : *map_.mutable_parallel_strategy_item()) merged_.add_parallel_strategy_item()->Swap(&item);
    for (auto& item : *map_.mutable_parallel_layout_item()) {
      item.set_param_name(fmt::format("{}-{}", stage, item.param_name()));
      merged_.add_parallel_layout_item()->Swap(&item);
    }
  }

  Result<std::string> Text() override {
    std::string bytes;
    if (!merged_.SerializeToString(&bytes)) return Status::NotSupported("the merged strategy is too large");
    return bytes;
  }

 private:
  ParallelStrategyMap map_;  // the file that StageOf has read
  ParallelStrategyMap merged_;
};

}  // namespace

std::unique_ptr<StrategyMerger> MakeProtobufMerger() { return std::make_unique<ProtobufMerger>(); }

Result<StrategyPtr> ParseProtobufStrategy(std::string_view bytes, std::string_view what) {
  const std::string context = fmt::format("strategy {}", QuoteName(what));
  try {
    auto strategy = Parse(bytes);
    if (!strategy.ok()) return strategy.status().WithContext(context);
    return strategy;
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(context + ": no memory for it");
  } catch (const std::exception& error) {  // protobuf's own checks
    return Status::Corruption(fmt::format("{}: {}", context, error.what()));
  }
}

}  // namespace shardfs
