#include "base/mount_table.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "fuse/temporary_mount.h"

namespace shardfs {
namespace {

TEST(ParseMountTableTest, ReadsAllFields) {
  const auto entries = ParseMountTable(
      "22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n"
      "44 22 0:51 / /mnt/view ro,nosuid,nodev,noexec,noatime - fuse.shardfs /data/deepseek ro,user_id=0\n");
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].type, "ext4");
  EXPECT_EQ(entries[0].mount_point, "/");
  EXPECT_EQ(entries[1].device_major, 0u);
  EXPECT_EQ(entries[1].device_minor, 51u);
  EXPECT_EQ(entries[1].mount_point, "/mnt/view");
  EXPECT_EQ(entries[1].options, "ro,nosuid,nodev,noexec,noatime");
  EXPECT_EQ(entries[1].type, kShardfsType);
  EXPECT_EQ(entries[1].source, "/data/deepseek");
  EXPECT_EQ(entries[0].user, std::nullopt);
  EXPECT_EQ(entries[1].user, 0u);
}

TEST(ParseMountTableTest, DecodesOctalEscapes) {
  const auto entries = ParseMountTable("44 22 0:51 / /mnt/a\\040b\\011c\\134d ro - fuse.shardfs a\\040b ro");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].mount_point, "/mnt/a b\tc\\d");
  EXPECT_EQ(entries[0].source, "a b");
}

TEST(ParseMountTableTest, KeepsWhatIsNoEscape) {
  const auto entries = ParseMountTable("44 22 0:51 / /mnt/a\\9\\04 ro - fuse.shardfs s ro");
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].mount_point, "/mnt/a\\9\\04");
}

TEST(ParseMountTableTest, PassesOverWhatIsNotOfItsForm) {
  EXPECT_TRUE(ParseMountTable("").empty());
  EXPECT_TRUE(ParseMountTable("\n\n").empty());
  EXPECT_TRUE(ParseMountTable("44 22 0:51 / /mnt ro shared:1\n").empty());
  EXPECT_TRUE(ParseMountTable("44 22 051 / /mnt ro - fuse x ro\n").empty());
  EXPECT_TRUE(ParseMountTable("44 22 0:x / /mnt ro - fuse x ro\n").empty());
}

TEST(FindMountTest, FindsTheRootAndNothingForAPlainDirectory) {
  const MountableDirectory directory;
  const auto plain = FindMount(directory.path());
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_FALSE(plain->has_value());
  const auto proc = FindMount("/proc");
  ASSERT_TRUE(proc.ok());
  ASSERT_TRUE(proc->has_value());
  EXPECT_EQ((*proc)->type, "proc");
}

TEST(CanonicalMountPathTest, ResolvesTheParentOnly) {
  const MountableDirectory directory;
  const std::string base = directory.path();
  directory.MakeDirectory("real");
  std::filesystem::create_directory_symlink("real", directory.path() / "link");
  EXPECT_EQ(*CanonicalMountPath(base + "/link/point"), base + "/real/point");
  EXPECT_EQ(*CanonicalMountPath(base + "/link"), base + "/link");
  EXPECT_EQ(*CanonicalMountPath(base + "/real//"), base + "/real");
  EXPECT_EQ(*CanonicalMountPath(base + "/real/."), base + "/real");
  EXPECT_EQ(*CanonicalMountPath(base + "/real/.."), base);
  EXPECT_EQ(*CanonicalMountPath("/"), "/");
  EXPECT_EQ(*CanonicalMountPath("/mount"), "/mount");
  EXPECT_EQ(*CanonicalMountPath("mount"), std::filesystem::current_path().string() + "/mount");
}

TEST(CanonicalMountPathTest, MissingParentIsNotFound) {
  const MountableDirectory directory;
  const auto path = CanonicalMountPath(directory.path() / "missing" / "point");
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace shardfs
