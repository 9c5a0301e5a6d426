#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shardfs/checkpoint/safetensors_directory.h"
#include "source/scratch_directory.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using testing::ScratchDirectory;
namespace fs = std::filesystem;

class HubCacheTest : public ::testing::Test {
 protected:
  static constexpr char kModel[] = "hub/models--owner--name";

  HubCacheTest() {
    fs::create_directories(cache_ / std::string(kModel) / "blobs");
    fs::create_directories(cache_ / std::string(kModel) / "refs");
    cache_.WriteShard(std::string(kModel) + "/blobs/aaaa", {"a"});
    cache_.Write(std::string(kModel) + "/refs/main", "2222\n");
  }

  void AddSnapshot(const std::string& revision, const std::string& model = kModel) {
    fs::create_directories(cache_ / (model + "/snapshots/" + revision));
    fs::create_symlink("../../blobs/aaaa", cache_ / (model + "/snapshots/" + revision + "/model.safetensors"));
  }

  Result<std::shared_ptr<const SafetensorsDirectory>> Open(const std::string& below) {
    return SafetensorsDirectory::Open((cache_ / below).string());
  }

  void ExpectRefused(const std::string& below, const std::vector<std::string>& parts) {
    const auto checkpoint = Open(below);
    ASSERT_FALSE(checkpoint.ok()) << below;
    EXPECT_EQ(checkpoint.status().code(), StatusCode::kInvalidArgument) << checkpoint.status();
    for (const std::string& part : parts) EXPECT_THAT(std::string(checkpoint.status().message()), HasSubstr(part));
  }

  ScratchDirectory cache_;
};

TEST_F(HubCacheTest, TheOnlySnapshotIsTaken) {
  AddSnapshot("1111");
  const fs::path snapshot = fs::canonical(cache_ / (std::string(kModel) + "/snapshots/1111"));
  for (const char* below : {kModel, "hub/models--owner--name/snapshots", "hub/models--owner--name/snapshots/1111"}) {
    const auto checkpoint = Open(below);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ((*checkpoint)->path(), snapshot);
    EXPECT_TRUE((*checkpoint)->sources()->CheckRoots().ok());
    EXPECT_EQ((*checkpoint)->tensors().specs().size(), 1u);
  }
  ASSERT_EQ((*Open(kModel))->warnings().size(), 1u);
  EXPECT_THAT((*Open(kModel))->warnings()[0], HasSubstr("only snapshot is taken, '" + snapshot.string() + "'"));
}

TEST_F(HubCacheTest, SeveralSnapshotsAreListed) {
  AddSnapshot("1111");
  AddSnapshot("2222");
  for (const char* below : {kModel, "hub/models--owner--name/snapshots"}) {
    ExpectRefused(below,
                  {"2 snapshots; give one of them: ", "snapshots/1111', ", "snapshots/2222' (which refs/main names)"});
  }
}

TEST_F(HubCacheTest, ACacheWithoutASnapshot) {
  fs::create_directories(cache_ / (std::string(kModel) + "/snapshots"));
  ExpectRefused(kModel, {"a Hugging Face cache without a snapshot"});
}

TEST_F(HubCacheTest, TheCacheOfAllModelsIsListed) {
  AddSnapshot("1111");
  fs::create_directories(cache_ / std::string("hub/models--owner--other/snapshots/3333"));
  for (const char* below : {"hub", "."}) {
    ExpectRefused(below, {"a Hugging Face cache of 2 models", "models--owner--name/snapshots/1111'",
                          "models--owner--other/snapshots/3333'"});
  }
}

TEST_F(HubCacheTest, AnUnfinishedBlobIsNamed) {
  AddSnapshot("1111");
  cache_.Write(std::string(kModel) + "/blobs/bbbb.incomplete", "");
  EXPECT_THAT((*Open(kModel))->incomplete(), HasSubstr("'../../blobs/bbbb.incomplete'"));
}

}  // namespace
}  // namespace shardfs
