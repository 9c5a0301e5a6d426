#include "shardfs/checkpoint/safetensors_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/read_text.h"
#include "source/scratch_directory.h"

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ScratchDirectory;

constexpr char kIndex[] = "model.safetensors.index.json";

std::shared_ptr<const SafetensorsDirectory> Open(const std::filesystem::path& path) {
  auto checkpoint = SafetensorsDirectory::Open(path.string());
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return checkpoint.ok() ? *checkpoint : nullptr;
}

TEST(SafetensorsDirectoryTest, OneFileWithoutAnIndex) {
  const ScratchDirectory directory;
  directory.WriteShard("model.safetensors", {"b", "a"}, 6);
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  ASSERT_EQ(checkpoint->tensors().specs().size(), 2u);
  const TensorSpec& spec = checkpoint->tensors().specs()[0];
  EXPECT_EQ(spec.name, "a");
  EXPECT_EQ(spec.dtype, Dtype::kU8);
  EXPECT_EQ(spec.shape, Shape{6});
  EXPECT_EQ(BytesOf(spec), 6u);
  const SourceSpan a = *checkpoint->tensors().SpanOf(0);
  const SourceSpan b = *checkpoint->tensors().SpanOf(1);
  EXPECT_EQ(a.size, 6u);
  EXPECT_EQ(b.offset, a.offset + 6);
  EXPECT_EQ(b.offset + b.size, a.source->size());
  EXPECT_EQ(checkpoint->total_tensor_bytes(), 12u);
  EXPECT_TRUE(checkpoint->warnings().empty());
  std::array<std::byte, 6> bytes;
  ASSERT_TRUE(b.source->ReadAt(b.offset, bytes).ok());
  EXPECT_EQ(bytes[0], std::byte{6});
}

TEST(SafetensorsDirectoryTest, OneFileIsItselfWhateverStandsBesideIt) {
  const ScratchDirectory directory;
  directory.WriteShard("model.safetensors", {"a"});
  directory.WriteShard("other.safetensors", {"a", "b"});
  directory.Write("config.json", "{}");
  directory.Write(kIndex, "no JSON");
  const auto checkpoint = Open(directory / "model.safetensors");
  ASSERT_NE(checkpoint, nullptr);
  ASSERT_EQ(checkpoint->tensors().specs().size(), 1u);
  EXPECT_EQ(checkpoint->path(), (directory / "model.safetensors").string());
  EXPECT_TRUE(checkpoint->other_entries().empty());
  EXPECT_TRUE(checkpoint->indices()->empty());
  EXPECT_TRUE(checkpoint->incomplete().empty());
  EXPECT_EQ(checkpoint->sources()->OpenFile("config.json").status().code(), StatusCode::kNotFound);
}

TEST(SafetensorsDirectoryTest, ItsPathIsFollowedApartFromItsFiles) {
  const ScratchDirectory parent;
  std::filesystem::create_directory(parent / "model");
  {
    const ScratchDirectory made;
    made.WriteShard("a.safetensors", {"t"});
    std::filesystem::copy(made.path(), parent / "model");
  }
  const auto checkpoint = Open(parent / "model");
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_TRUE(checkpoint->sources()->CheckRoots().ok());
  std::filesystem::rename(parent / "model", parent / "old");
  EXPECT_EQ(checkpoint->sources()->CheckRoots().code(), StatusCode::kSourceChanged);
  EXPECT_THAT(std::string(checkpoint->sources()->CheckRoots().message()), HasSubstr("model' has been moved away or deleted"));
  std::filesystem::create_directory(parent / "model");
  EXPECT_THAT(std::string(checkpoint->sources()->CheckRoots().message()), HasSubstr("model' has been replaced"));
  EXPECT_TRUE(checkpoint->files().front()->CheckUnchanged().ok());
  EXPECT_TRUE(checkpoint->files().front()->CheckName().ok()) << "in the directory that is open";
  std::filesystem::remove(parent / "model");
  std::filesystem::rename(parent / "old", parent / "model");
  EXPECT_TRUE(checkpoint->sources()->CheckRoots().ok()) << "back in its place";
}

TEST(SafetensorsDirectoryTest, FilesAreInTheOrderOfTheirNamesAndTensorsInThatOfTheFiles) {
  const ScratchDirectory directory;
  directory.WriteShard("2.safetensors", {"a", "d"});
  directory.WriteShard("1.safetensors", {"c", "b"});
  directory.Write(kIndex, R"({"metadata": {}, "weight_map": {"d": "2.safetensors", "a": "2.safetensors",
                              "b": "1.safetensors", "c": "1.safetensors"}})");
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  ASSERT_EQ(checkpoint->files().size(), 2u);
  EXPECT_EQ(checkpoint->files()[0]->name(), "1.safetensors");
  const StateDict& tensors = checkpoint->tensors();
  std::vector<std::string> names;
  for (const TensorSpec& spec : tensors.specs()) names.emplace_back(spec.name);
  EXPECT_THAT(names, ElementsAre("b", "c", "a", "d"));
  for (std::uint32_t i = 0; i < names.size(); ++i) EXPECT_EQ(tensors.Find(names[i]), i);
  EXPECT_EQ(tensors.SpanOf(*tensors.Find("c"))->source, checkpoint->files()[0].get());
  EXPECT_EQ(tensors.Origin(*tensors.Find("a")), "2.safetensors");
  EXPECT_EQ(tensors.Find("bb"), std::nullopt);
  EXPECT_EQ(tensors.Find("e"), std::nullopt);
  names.clear();
  for (const std::uint32_t tensor : (*checkpoint->indices())[0].order) names.emplace_back(tensors.specs()[tensor].name);
  EXPECT_THAT(names, ElementsAre("d", "a", "b", "c")) << "as the keys of the index stand";
  EXPECT_TRUE(checkpoint->warnings().empty());
}

// The layout decides what a defect of an index means.
TEST(SafetensorsDirectoryTest, AnIndexThatDisagreesIsKeptWithItsDefects) {
  const ScratchDirectory directory;
  directory.WriteShard("1.safetensors", {"a", "b", "c"});
  directory.WriteShard("2.safetensors", {"d"});
  directory.Write(kIndex, R"({"weight_map": {"b": "1.safetensors", "d": "1.safetensors", "x": "1.safetensors",
                                             "y": "3.safetensors"}})");
  directory.Write("other.safetensors.index.json", R"({"weight_map": {"a": "1.safetensors", "b": "1.safetensors",
                                                      "c": "1.safetensors", "d": "2.safetensors"}})");
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->tensors().specs().size(), 4u);
  EXPECT_TRUE(checkpoint->warnings().empty());
  ASSERT_EQ(checkpoint->indices()->size(), 2u);
  EXPECT_TRUE((*checkpoint->indices())[1].defects.empty());
  const CheckedIndex& index = (*checkpoint->indices())[0];
  EXPECT_EQ(index.name, kIndex);
  EXPECT_THAT(index.files, ElementsAre("1.safetensors", "3.safetensors"));
  EXPECT_TRUE(index.Names("3.safetensors"));
  EXPECT_FALSE(index.Names("2.safetensors"));
  EXPECT_EQ(*index.FileOfLost("x"), "1.safetensors");
  EXPECT_EQ(*index.FileOfLost("y"), "3.safetensors");
  EXPECT_EQ(index.FileOfLost("a"), nullptr);
  EXPECT_EQ(
      DescribeIndexDefects(index.defects),
      "names 1 file that is missing ('3.safetensors'); it maps 2 tensors that no header has ('x' to "
      "'1.safetensors' among them); it maps 1 tensor to files that do not hold them ('d' to '1.safetensors', but it "
      "is in '2.safetensors'); it does not map 2 tensors that the files hold ('a' in '1.safetensors' among them)");
}

TEST(SafetensorsDirectoryTest, SaysWhatTheNamesSayIsMissing) {
  const ScratchDirectory directory;
  directory.WriteShard("model-00001-of-00002.safetensors", {"a"});
  std::filesystem::create_directories(directory / ".cache/huggingface/download");
  directory.Write(".cache/huggingface/download/x.incomplete", "");
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(
      checkpoint->incomplete(),
      "1 of the 2 files 'model-*-of-00002.safetensors' is missing ('model-00002-of-00002.safetensors'); a download "
      "has not come to its end ('.cache/huggingface/download/x.incomplete' is left of it)");
  const Status refusal = ExplainRefusal(checkpoint->incomplete(), Status::Corruption("no tensor 'b'"));
  EXPECT_EQ(refusal.code(), StatusCode::kCorruption);
  EXPECT_THAT(std::string(refusal.message()), HasSubstr("the checkpoint is incomplete: 1 of the 2"));
  EXPECT_THAT(std::string(refusal.message()), HasSubstr("as it is: no tensor 'b'"));
  EXPECT_EQ(ExplainRefusal(checkpoint->incomplete(), Status::InvalidArgument("tp")).message(), "tp");
}

TEST(SafetensorsDirectoryTest, UnalignedDataAreAWarning) {
  const ScratchDirectory directory;
  directory.Write("model.safetensors",
                  testing::FileBytes(R"({"t":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 3));
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  ASSERT_EQ(checkpoint->warnings().size(), 1u);
  EXPECT_THAT(checkpoint->warnings()[0], HasSubstr("'model.safetensors'"));
}

TEST(SafetensorsDirectoryTest, HuggingFaceCacheOfLinksToBlobs) {
  const ScratchDirectory directory;
  std::filesystem::create_directories(directory / "blobs");
  std::filesystem::create_directories(directory / "snapshots/0123");
  directory.WriteShard("blobs/aaaa", {"a"});
  directory.WriteShard("blobs/bbbb", {"b"});
  directory.Write("blobs/cccc", R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  directory.Write("blobs/dddd", "{}");
  for (const auto& [name, blob] : {std::pair{"1.safetensors", "aaaa"}, std::pair{"2.safetensors", "bbbb"},
                                   std::pair{kIndex, "cccc"}, std::pair{"config.json", "dddd"}}) {
    std::filesystem::create_symlink(std::filesystem::path("../../blobs") / blob,
                                    directory.path() / "snapshots/0123" / name);
  }
  std::filesystem::create_directory_symlink("snapshots/0123", directory / "current");
  const auto checkpoint = Open(directory / "current");
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->path(), std::filesystem::canonical(directory / "snapshots/0123"));
  EXPECT_EQ(checkpoint->tensors().specs().size(), 2u);
  EXPECT_EQ(checkpoint->files()[0]->name(), "1.safetensors");
  ASSERT_EQ(checkpoint->other_entries().size(), 1u);
  EXPECT_TRUE(checkpoint->other_entries()[0].is_regular);
  EXPECT_EQ(*ReadText(*checkpoint->sources(), "config.json", 100), "{}");
}

TEST(SafetensorsDirectoryTest, OtherEntriesAreListedByName) {
  const ScratchDirectory directory;
  directory.WriteShard("model.safetensors", {"a"});
  directory.Write("tokenizer.json", "{}");
  directory.Write(".hidden.safetensors", "not looked at");
  directory.Write("config.json", "{ }");
  std::filesystem::create_directory(directory / "figures");
  std::filesystem::create_symlink("nowhere", directory / "link");
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  const auto& entries = checkpoint->other_entries();
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(entries[0].name, ".hidden.safetensors");
  EXPECT_EQ(entries[1].name, "config.json");
  EXPECT_TRUE(entries[1].is_regular);
  EXPECT_EQ(entries[1].size, 3u);
  EXPECT_EQ(entries[2].name, "figures");
  EXPECT_FALSE(entries[2].is_regular);
  EXPECT_EQ(entries[3].name, "link");
  EXPECT_FALSE(entries[3].is_regular);
  EXPECT_EQ(entries[4].name, "tokenizer.json");
}

TEST(SafetensorsDirectoryTest, ReadsAndOpensOtherFiles) {
  const ScratchDirectory directory;
  directory.WriteShard("model.safetensors", {"a"});
  directory.Write("config.json", R"({"model_type": "deepseek_v3"})");
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(*ReadText(*checkpoint->sources(), "config.json", 29), R"({"model_type": "deepseek_v3"})");
  EXPECT_EQ(ReadText(*checkpoint->sources(), "config.json", 28).status().code(), StatusCode::kNotSupported);
  EXPECT_EQ(ReadText(*checkpoint->sources(), "missing.json", 28).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(ReadText(*checkpoint->sources(), "../config.json", 28).status().code(), StatusCode::kInvalidArgument);
  const auto file = checkpoint->sources()->OpenFile("config.json");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->size(), 29u);
}

TEST(SafetensorsDirectoryTest, ManyFilesAreReadInParallel) {
  const ScratchDirectory directory;
  for (int i = 100; i < 200; ++i) {
    const std::string number = std::to_string(i);
    directory.WriteShard(number + ".safetensors", {"t" + number, "u" + number});
  }
  const auto checkpoint = Open(directory.path());
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->files().size(), 100u);
  EXPECT_EQ(checkpoint->tensors().specs().size(), 200u);
  EXPECT_EQ(checkpoint->tensors().Origin(*checkpoint->tensors().Find("u150")), "150.safetensors");
}

TEST(SafetensorsDirectoryTest, GoldenSourcesOpenWithoutWarnings) {
  const auto golden = std::filesystem::path(SHARDFS_TESTS_DIR) / "golden" / "mindie";
  ASSERT_TRUE(std::filesystem::is_directory(golden)) << golden;
  int opened = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden)) {
    if (!std::filesystem::is_directory(entry.path() / "source")) continue;
    const auto checkpoint = Open(entry.path() / "source");
    ASSERT_NE(checkpoint, nullptr);
    EXPECT_THAT(checkpoint->warnings(), ::testing::IsEmpty()) << entry.path();
    ++opened;
  }
  EXPECT_GT(opened, 0);
}

}  // namespace
}  // namespace shardfs
