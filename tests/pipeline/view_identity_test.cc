#include "pipeline/view_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "checkpoint/tiny_checkpoint.h"

namespace shardfs::testing {
namespace {

using ::testing::Contains;
using ::testing::Pair;

// The journal and the manifest keep the identity as a JSON object, which cannot be read where a key stands twice.
TEST(ViewIdentityTest, AnOptionWithTheNameOfAFieldOfTheRunStandsUnderItsFlag) {
  TinyCheckpoint source;
  source.AddShard("model.safetensors", {{"a", Dtype::kF32, {2}}});
  ViewRequest request;
  request.source = source.path();
  request.layout = "huggingface";
  const auto ignore = [](const std::string&) {};
  const auto built = BuildView(request, ignore, ignore);
  ASSERT_TRUE(built.ok()) << built.status();
  const auto identity = IdentityOf(*built);
  ASSERT_TRUE(identity.ok()) << identity.status();
  std::set<std::string> names = {"ranks", "files"};  // which `materialize` adds
  for (const auto& [name, value] : *identity) EXPECT_TRUE(names.insert(name).second) << name;
  EXPECT_THAT(*identity, Contains(Pair("--files", "split")));
  EXPECT_THAT(*identity, Contains(Pair("layout", "huggingface")));
}

TEST(ViewIdentityTest, AnyOtherOptionStandsUnderItsName) {
  EXPECT_EQ(FieldOfOption("moe_tp"), "moe_tp");
  EXPECT_EQ(FieldOfOption("files"), "--files");
  EXPECT_EQ(FieldOfOption("ranks"), "--ranks");
}

}  // namespace
}  // namespace shardfs::testing
