#include "tools/deepseek_shape.h"

#include <gtest/gtest.h>

#include <string>

namespace shardfs::tools {
namespace {

TEST(ValidateShapeTest, AcceptsPresets) {
  for (const Preset& preset : Presets()) EXPECT_TRUE(ValidateShape(preset.shape).ok()) << preset.name;
}

TEST(ValidateShapeTest, NamesTheSizeThatIsWrong) {
  DeepSeekShape shape = FindPreset("tiny")->shape;
  shape.kv_lora_rank = 0;
  EXPECT_EQ(ValidateShape(shape).code(), StatusCode::kInvalidArgument);
  EXPECT_NE(ValidateShape(shape).message().find("kv_lora_rank is 0"), std::string::npos);

  shape = FindPreset("tiny")->shape;
  shape.first_k_dense = 6;
  EXPECT_NE(ValidateShape(shape).message().find("first_k_dense is 6, more than the 5 layers"), std::string::npos);

  shape = FindPreset("tiny")->shape;
  shape.dtype = Dtype::kF32;
  EXPECT_EQ(ValidateShape(shape).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace shardfs::tools
