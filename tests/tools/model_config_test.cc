#include "tools/model_config.h"

#include <gtest/gtest.h>

namespace shardfs::tools {
namespace {

constexpr ConfigEntry kEntries[] = {{"name", R"("x")"}, {"size", "7"}, {"torch_dtype", R"("bfloat16")"}};

TEST(ModelConfigTest, KeepsTheOrderOfItsKeys) {
  ModelConfig config(kEntries);
  config.Set("size", 8);
  config.Set("last", "[]");
  config.InsertBefore("size", "middle", "{\n    \"a\": 1\n  }");
  EXPECT_EQ(config.Json(),
            "{\n  \"name\": \"x\",\n  \"middle\": {\n    \"a\": 1\n  },\n  \"size\": 8,\n"
            "  \"torch_dtype\": \"bfloat16\",\n  \"last\": []\n}\n");
  EXPECT_TRUE(config.Has("middle"));
  EXPECT_FALSE(config.Has("first"));
  EXPECT_EQ(config.Text("last"), "[]");
  EXPECT_EQ(config.Text("first"), "");
}

TEST(ModelConfigTest, NumbersAreWholeNumbersBooleansAndNull) {
  ModelConfig config(kEntries);
  config.Set("yes", "true");
  config.Set("no", "false");
  config.Set("none", "null");
  config.Set("half", "0.5");
  EXPECT_EQ(config.Number("size").value(), 7u);
  EXPECT_EQ(config.Number("yes").value(), 1u);
  EXPECT_EQ(config.Number("no").value(), 0u);
  EXPECT_EQ(config.Number("none").value(), 0u);
  for (const char* key : {"half", "name", "absent"}) EXPECT_FALSE(config.Number(key).ok()) << key;
}

TEST(ModelConfigTest, TorchDtypeIsBf16OrF16) {
  ModelConfig config(kEntries);
  EXPECT_EQ(config.TorchDtype().value(), Dtype::kBF16);
  config.SetTorchDtype(Dtype::kF16);
  EXPECT_EQ(config.Text("torch_dtype"), R"("float16")");
  EXPECT_EQ(config.TorchDtype().value(), Dtype::kF16);
  config.Set("torch_dtype", R"("float32")");
  EXPECT_FALSE(config.TorchDtype().ok());
}

}  // namespace
}  // namespace shardfs::tools
