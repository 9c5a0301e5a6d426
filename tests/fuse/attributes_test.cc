#include "fuse/attributes.h"

#include <gtest/gtest.h>

#include <set>

#include "fuse/sample_tree.h"

namespace shardfs {
namespace {

NodeId Find(const VirtualTree& tree, NodeId parent, std::string_view name) {
  NodeId id = kRootNode;
  EXPECT_NE(tree.FindChild(parent, name, &id), nullptr) << name;
  return id;
}

TEST(AttributesTest, FileHasExactSizeAndGivenOwner) {
  const auto tree = SampleTree();
  const NodeId id = Find(*tree, Find(*tree, kRootNode, "model-a"), "model.safetensors");
  const AttributeOptions options{.uid = 7, .gid = 8, .time_ns = 1'700'000'000'123'456'789};
  const struct stat attributes = AttributesOf(*tree, id, options);
  EXPECT_EQ(attributes.st_mode, mode_t{S_IFREG | 0440});
  EXPECT_EQ(static_cast<std::uint64_t>(attributes.st_size), kLargeSize);
  EXPECT_EQ(static_cast<std::uint64_t>(attributes.st_blocks), (kLargeSize + 511) / 512);
  EXPECT_EQ(attributes.st_nlink, 1u);
  EXPECT_EQ(attributes.st_uid, 7u);
  EXPECT_EQ(attributes.st_gid, 8u);
  EXPECT_EQ(attributes.st_ino, id + 1u);
  EXPECT_EQ(attributes.st_mtim.tv_sec, 1'700'000'000);
  EXPECT_EQ(attributes.st_mtim.tv_nsec, 123'456'789);
  EXPECT_EQ(attributes.st_blksize, 0) << "the kernel's default is wanted";
}

TEST(AttributesTest, DirectoryCountsItsSubdirectories) {
  const auto tree = SampleTree();
  const struct stat root = AttributesOf(*tree, kRootNode, {});
  EXPECT_EQ(root.st_mode, mode_t{S_IFDIR | 0750});
  EXPECT_EQ(root.st_nlink, 4u);  // itself twice, model-a, many
  EXPECT_EQ(root.st_ino, 1u);
  const struct stat leaf = AttributesOf(*tree, Find(*tree, kRootNode, "many"), {});
  EXPECT_EQ(leaf.st_nlink, 2u);
}

TEST(AttributesTest, ModesAreThoseAskedFor) {
  const auto tree = SampleTree();
  const AttributeOptions options{.file_mode = 0444, .directory_mode = 0755};
  EXPECT_EQ(AttributesOf(*tree, kRootNode, options).st_mode, mode_t{S_IFDIR | 0755});
  EXPECT_EQ(AttributesOf(*tree, Find(*tree, kRootNode, "config.json"), options).st_mode, mode_t{S_IFREG | 0444});
}

TEST(AttributesTest, GenerationsAreThoseOfTheView) {
  const auto tree = SampleTree();
  const AttributeOptions options{.time_ns = 1'700'000'000'000'000'000};
  EXPECT_EQ(GenerationOf(*tree, kRootNode, options), 0u);
  std::set<std::uint32_t> generations;
  for (NodeId id = 1; id < tree->size(); ++id) {
    const std::uint32_t generation = GenerationOf(*tree, id, options);
    EXPECT_EQ(generation, GenerationOf(*SampleTree(), id, options)) << "of the same view";
    EXPECT_NE(generation, GenerationOf(*tree, id, {.time_ns = options.time_ns + 1})) << "of another view";
    generations.insert(generation);
  }
  EXPECT_EQ(generations.size(), tree->size() - 1) << "another path, another number";
}

}  // namespace
}  // namespace shardfs
