#include "shardfs/view/virtual_tree.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

std::shared_ptr<const VirtualTree> SampleTree() {
  VirtualTreeBuilder builder;
  EXPECT_TRUE(builder.AddDirectory("model-norm", RankSet::All(2)).ok());
  EXPECT_TRUE(builder.AddDirectory("model-000", RankSet::Range(0, 1)).ok());
  EXPECT_TRUE(builder.AddFile("model-norm/model.safetensors", RankSet::All(2), MakeGeneratedFile("1234567")).ok());
  EXPECT_TRUE(builder.AddFile("config.json", RankSet::Range(1, 2), MakeGeneratedFile("{}")).ok());
  return std::move(builder).Build();
}

TEST(VirtualTree, NodesAreNumberedInPathOrder) {
  const auto tree = SampleTree();
  ASSERT_EQ(tree->size(), 5u);
  EXPECT_EQ(tree->PathOf(0), "");
  EXPECT_EQ(tree->PathOf(1), "config.json");
  EXPECT_EQ(tree->PathOf(2), "model-000");
  EXPECT_EQ(tree->PathOf(3), "model-norm");
  EXPECT_EQ(tree->PathOf(4), "model-norm/model.safetensors");
  EXPECT_EQ(tree->node(4).parent, 3u);
  EXPECT_EQ(tree->node(0).children, (std::vector<NodeId>{1, 2, 3}));
  EXPECT_EQ(tree->node(0).subdirectories, 2u);
  EXPECT_EQ(tree->node(3).subdirectories, 0u);
}

TEST(VirtualTree, CountsWhatItHolds) {
  const auto tree = SampleTree();
  EXPECT_EQ(tree->file_count(), 2u);
  EXPECT_EQ(tree->directory_count(), 3u);
  EXPECT_EQ(tree->total_file_bytes(), 9u);
  EXPECT_EQ(tree->node(0).ranks, RankSet::All(2));
}

TEST(VirtualTree, FindsChildrenByName) {
  const auto tree = SampleTree();
  NodeId id = 99;
  ASSERT_NE(tree->FindChild(kRootNode, "model-norm", &id), nullptr);
  EXPECT_EQ(id, 3u);
  EXPECT_NE(tree->FindChild(id, "model.safetensors", nullptr), nullptr);
  EXPECT_EQ(tree->FindChild(kRootNode, "model", nullptr), nullptr);
  EXPECT_EQ(tree->FindChild(kRootNode, "", nullptr), nullptr);
  EXPECT_EQ(tree->FindChild(kRootNode, "zzz", nullptr), nullptr);
  EXPECT_EQ(tree->FindChild(1, "x", nullptr), nullptr);
}

TEST(VirtualTree, PathsThatCannotBeAreRefused) {
  VirtualTreeBuilder builder;
  ASSERT_TRUE(builder.AddFile("file", {}, MakeGeneratedFile("")).ok());
  const std::string long_name(256, 'x');
  for (const std::string& path :
       {std::string(""), std::string("."), std::string(".."), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("missing/a"), std::string("file/a"), std::string("file"), std::string("a\0b", 3), long_name}) {
    EXPECT_EQ(builder.AddDirectory(path, {}).code(), StatusCode::kInvalidArgument) << path;
  }
}

}  // namespace
}  // namespace shardfs
