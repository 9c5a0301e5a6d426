#include "layout/mindie/config/mindie_specs.h"

#include <vector>

namespace shardfs {

std::span<const OptionSpec> MindieSpecs() {
  static const std::vector<OptionSpec> all = [] {
    std::vector<OptionSpec> specs(kMindieSizes.begin(), kMindieSizes.end());
    specs.insert(specs.end(), {kMindieMtp, kMindieRankTable, kMindieMaxShardSize, kMindieDpPartitionUp, kMindieConfigFile});
    specs.insert(specs.end(), kMindieOwn.begin(), kMindieOwn.end());
    return specs;
  }();
  return all;
}

}  // namespace shardfs
