#include "checkpoint/tensor_name.h"

#include <gtest/gtest.h>

#include <string>

namespace shardfs {
namespace {

TEST(FindLayerTest, TakesTheFirstLayersThatANumberFollows) {
  const auto layer = [](std::string_view name) {
    const auto found = FindLayer(name);
    return found ? std::string(name.substr(found->begin, found->end - found->begin)) : std::string("none");
  };
  EXPECT_EQ(layer("model.layers.7.mlp.gate_proj.weight"), "7");
  EXPECT_EQ(layer("model.layers.61"), "61");
  EXPECT_EQ(layer("layers.3.layers.4.w"), "3");
  EXPECT_EQ(layer("encoder.layers.norm.layers.12.w"), "12");
  for (const char* name : {"", "lm_head.weight", "model.layers", "model.layers.", "model.layers.a.1", "xlayers.1.w"}) {
    EXPECT_EQ(layer(name), "none") << name;
  }
}

}  // namespace
}  // namespace shardfs
