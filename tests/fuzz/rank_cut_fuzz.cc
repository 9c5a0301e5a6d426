// A table of rules of the layout rank-cut. The input is its text. What is taken has sizes and stages that fit together.
#include "fuzz/fuzz_target.h"
#include "layout/rank_cut/placement.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto table = rank_cut::ReadRuleTable(testing::AsText(data, size), "fuzz");
  if (!table.ok()) {
    SHARDFS_FUZZ_CHECK(table.status().code() == StatusCode::kInvalidArgument);
    SHARDFS_FUZZ_CHECK(table.status().message().starts_with("bad-rule: "));
    return 0;
  }
  SHARDFS_FUZZ_CHECK(!table->rules.empty());
  for (const rank_cut::Rule& rule : table->rules) {
    SHARDFS_FUZZ_CHECK(!rule.match.empty());
    SHARDFS_FUZZ_CHECK(rule.as.empty() || rule.as.size() == rule.match.size());
    for (const auto& pattern : rule.match) {
      (void)pattern.Match("model.layers.7.mlp.experts.12.down_proj.weight");
      SHARDFS_FUZZ_CHECK(rule.drop || pattern.expert_wildcard().has_value() == rule.expert);
    }
  }
  const auto in_force = rank_cut::PutInForce(*table, nullptr);
  if (!in_force.ok()) {
    SHARDFS_FUZZ_CHECK(in_force.status().code() == StatusCode::kInvalidArgument);
    return 0;
  }
  const rank_cut::MeshSizes& sizes = in_force->grids.sizes();
  SHARDFS_FUZZ_CHECK(sizes.tp * sizes.cp * sizes.dp * sizes.pp == sizes.world);
  SHARDFS_FUZZ_CHECK(sizes.etp * sizes.ep * sizes.edp * sizes.pp == sizes.world);
  SHARDFS_FUZZ_CHECK(in_force->stages.size() == sizes.pp);
  SHARDFS_FUZZ_CHECK(in_force->grids.ranks().size() == sizes.world);
  return 0;
}
