#include "verify/published_digest.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

TEST(PublishedDigestTest, OfACacheIsTheNameOfTheBlob) {
  const TemporaryDirectory root;
  const std::string snapshot = root / "snapshots/rev";
  fs::create_directories(snapshot + "/sub");
  const std::string sha256(64, '1');
  const std::string sha1(40, '2');
  fs::create_symlink("../../blobs/" + sha256, snapshot + "/a");
  fs::create_symlink("../../../blobs/" + sha1, snapshot + "/sub/b");
  fs::create_symlink("../../blobs/" + sha256 + ".incomplete", snapshot + "/c");
  fs::create_symlink("../../elsewhere/" + sha256, snapshot + "/d");
  EXPECT_EQ(FindPublishedDigest(snapshot, "a")->hex, sha256);
  EXPECT_EQ(FindPublishedDigest(snapshot, "a")->kind, HashKind::kSha256);
  EXPECT_EQ(FindPublishedDigest(snapshot, "sub/b")->hex, sha1);
  EXPECT_EQ(FindPublishedDigest(snapshot, "sub/b")->kind, HashKind::kSha1);
  for (const char* name : {"c", "d", "none"}) EXPECT_FALSE(FindPublishedDigest(snapshot, name)) << name;
}

TEST(PublishedDigestTest, OfADirectoryIsInTheDownloadsMetadata) {
  const TemporaryDirectory root;
  const std::string folder = root / ".cache/huggingface/download/";
  const std::string sha256(64, '3');
  WriteFile(folder + "a.safetensors.metadata", "commit\n" + sha256 + "\n1700000000.0\n");
  WriteFile(folder + "sub/b.metadata", "commit\n" + std::string(40, '4'));
  WriteFile(folder + "c.metadata", "commit\n\"weak-etag\"\n");
  WriteFile(folder + "d.metadata", sha256);
  EXPECT_EQ(FindPublishedDigest(root.path().string(), "a.safetensors")->hex, sha256);
  EXPECT_EQ(FindPublishedDigest(root.path().string(), "sub/b")->kind, HashKind::kSha1);
  for (const char* name : {"c", "d", "e"}) EXPECT_FALSE(FindPublishedDigest(root.path().string(), name)) << name;
}

}  // namespace
}  // namespace shardfs
