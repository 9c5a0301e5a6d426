#include "shardfs/source/source_set.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "source/scratch_directory.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using testing::ScratchDirectory;

std::shared_ptr<const SourceRoot> OpenRoot(const std::filesystem::path& path, std::string label = "") {
  auto root = SourceRoot::Open(path.string(), std::move(label));
  EXPECT_TRUE(root.ok()) << root.status();
  return root.ok() ? *root : nullptr;
}

// Two roots whose files have the same leaf names.
class SourceSetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(base_ / "rank_0");
    base_.Write("net.safetensors", "base");
    base_.Write("rank_0/net.safetensors", "nested");
    adapter_.Write("net.safetensors", "adapter");
    const auto base = OpenRoot(base_.path());
    const auto adapter = OpenRoot(adapter_.path(), "lora");
    ASSERT_NE(base, nullptr);
    ASSERT_NE(adapter, nullptr);
    const SourceSet first(
        {base}, {base->OpenFile("net.safetensors").value(), base->OpenFile("rank_0/net.safetensors").value()});
    const SourceSet second({adapter}, {adapter->OpenFile("net.safetensors").value()});
    set_ = SourceSet::Join(first, second);
  }

  static std::string ContentOf(const FileSource& file) {
    std::string bytes(file.size(), '?');
    EXPECT_TRUE(file.ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
    return bytes;
  }

  const ScratchDirectory base_;
  const ScratchDirectory adapter_;
  std::shared_ptr<const SourceSet> set_;
};

TEST_F(SourceSetTest, NamesAreUniqueAndLeadToTheirFiles) {
  ASSERT_EQ(set_->files().size(), 3u);
  EXPECT_EQ(set_->files()[0]->name(), "net.safetensors");
  EXPECT_EQ(set_->files()[1]->name(), "rank_0/net.safetensors");
  EXPECT_EQ(set_->files()[2]->name(), "lora:net.safetensors");
  for (const auto& file : set_->files()) {
    const auto again = set_->OpenFile(file->name());
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(ContentOf(**again), ContentOf(*file));
    EXPECT_EQ((*again)->name(), file->name());
    EXPECT_TRUE(std::filesystem::exists(set_->PathOf(file->name()))) << set_->PathOf(file->name());
  }
  EXPECT_EQ(set_->PathOf("lora:net.safetensors"), (adapter_ / "net.safetensors").string());
  EXPECT_EQ(set_->PathOf("rank_0/net.safetensors"), (base_ / "rank_0/net.safetensors").string());
  EXPECT_EQ(set_->path(), base_.path().string());
}

TEST_F(SourceSetTest, ErrorsNameTheFileAsTheSetDoes) {
  EXPECT_THAT(std::string(set_->OpenFile("lora:none").status().message()), HasSubstr("'lora:none' is missing"));
  EXPECT_THAT(std::string(set_->OpenFile("rank_1/none").status().message()), HasSubstr("'rank_1/none' is missing"));
  for (const char* const outside :
       {"../x", "rank_0/../../x", "/etc/passwd", "rank_0//net.safetensors", "lora:../x", ""}) {
    EXPECT_EQ(set_->OpenFile(outside).status().code(), StatusCode::kInvalidArgument) << outside;
  }
}

TEST_F(SourceSetTest, AReplacedFileIsToldByItsOwnName) {
  std::filesystem::rename(base_ / "rank_0/net.safetensors", base_ / "rank_0/old");
  base_.Write("rank_0/net.safetensors", "another");
  EXPECT_TRUE(set_->files()[0]->CheckName().ok());
  EXPECT_TRUE(set_->files()[2]->CheckName().ok());
  const Status replaced = set_->files()[1]->CheckName();
  EXPECT_EQ(replaced.code(), StatusCode::kSourceChanged);
  EXPECT_THAT(std::string(replaced.message()), HasSubstr("'rank_0/net.safetensors' has been replaced"));
}

TEST_F(SourceSetTest, EveryRootIsWatched) {
  EXPECT_TRUE(set_->CheckRoots().ok());
  const std::filesystem::path moved = adapter_.path().string() + "-moved";
  std::filesystem::rename(adapter_.path(), moved);
  const Status status = set_->CheckRoots();
  std::filesystem::rename(moved, adapter_.path());
  EXPECT_EQ(status.code(), StatusCode::kSourceChanged);
  EXPECT_THAT(std::string(status.message()), HasSubstr(adapter_.path().string()));
}

TEST_F(SourceSetTest, AFileIsARootWithoutNeighbours) {
  const auto root = OpenRoot(base_ / "net.safetensors");
  ASSERT_NE(root, nullptr);
  EXPECT_TRUE(root->is_file());
  const SourceSet set({root}, {root->OpenFile("net.safetensors").value()});
  EXPECT_EQ(set.path(), (base_ / "net.safetensors").string());
  EXPECT_EQ(set.PathOf("net.safetensors"), (base_ / "net.safetensors").string());
  EXPECT_EQ(set.OpenFile("rank_0/net.safetensors").status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(set.CheckRoots().ok());
}

// As in a Hugging Face cache, where names are links to blobs.
TEST_F(SourceSetTest, AFileThatIsALinkKeepsItsName) {
  std::filesystem::create_directory(base_ / "blobs");
  base_.Write("blobs/0123abcd", "blob");
  std::filesystem::create_directory(base_ / "snapshot");
  std::filesystem::create_symlink("../blobs/0123abcd", base_ / "snapshot/model.safetensors");
  const auto root = OpenRoot(base_ / "snapshot/model.safetensors");
  ASSERT_NE(root, nullptr);
  EXPECT_EQ(root->file(), "model.safetensors");
  EXPECT_EQ(root->path(), (base_ / "snapshot/model.safetensors").string());
  const auto file = root->OpenFile("model.safetensors");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(ContentOf(**file), "blob");
}

TEST_F(SourceSetTest, AFileInADirectoryThatMayOnlyBeEntered) {
  const auto root = OpenRoot(base_ / "net.safetensors");
  ASSERT_NE(root, nullptr);
  // Root may list every directory, so the descriptor has to tell: one of O_PATH asks for no right to read.
  EXPECT_NE(::fcntl(root->descriptor(), F_GETFL) & O_PATH, 0);
}

TEST(SourceRootTest, RefusesWhatIsNeitherDirectoryNorFile) {
  const ScratchDirectory directory;
  EXPECT_EQ(SourceRoot::Open((directory / "none").string()).status().code(), StatusCode::kIoError)
      << "it may come late";
  EXPECT_EQ(SourceRoot::Open("").status().code(), StatusCode::kInvalidArgument);
  ASSERT_EQ(::mkfifo((directory / "pipe").c_str(), 0600), 0);
  const auto pipe = SourceRoot::Open((directory / "pipe").string());
  EXPECT_EQ(pipe.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(pipe.status().message()), HasSubstr("neither a directory nor a file"));
}

}  // namespace
}  // namespace shardfs
