// The layouts `safetensors` and `ckpt`, and the reader of what they convert: identities, names, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "checkpoint/tiny_checkpoint.h"
#include "format/ckpt/ckpt_forms.h"
#include "layout/file_by_file/ckpt_layout.h"
#include "layout/file_by_file/ckpt_reader.h"
#include "layout/file_by_file/safetensors_layout.h"
#include "shardfs/transform/transform.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Given = std::vector<std::pair<std::string, std::string>>;

class FileByFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, std::string_view bytes) const {
    const fs::path file = Path(path);
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
  }
  std::string Path(const std::string& path) const { return (fs::path(directory_.path()) / path).string(); }

  template <typename Reader>
  Result<CheckpointPtr> Open(const std::string& path, const Given& given = {}) const {
    const Reader reader;
    const auto values = ValuesOf(reader, given);
    EXPECT_TRUE(values.ok()) << values.status();
    return reader.Open(Path(path), *values);
  }

  template <typename L>
  static Result<View> Show(const Result<CheckpointPtr>& checkpoint, const Given& given = {}) {
    if (!checkpoint.ok()) return checkpoint.status();
    const L layout;
    const auto values = ValuesOf(layout, given);
    if (!values.ok()) return values.status();
    return layout.Build(*checkpoint, *values, {});
  }

  MountableDirectory directory_;
};

std::map<std::string, std::string> FilesOf(const Result<View>& view) {
  std::map<std::string, std::string> files;
  EXPECT_TRUE(view.ok()) << view.status();
  if (!view.ok()) return files;
  for (NodeId id = 0; id < view->tree->size(); ++id) {
    const VirtualNode& node = view->tree->node(id);
    if (node.is_directory()) continue;
    std::string bytes(node.file->size(), '\0');
    EXPECT_TRUE(node.file->ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
    files[view->tree->PathOf(id)] = bytes;
  }
  return files;
}

std::string MessageOf(const Result<View>& view) {
  EXPECT_FALSE(view.ok());
  return view.ok() ? std::string() : std::string(view.status().message());
}

constexpr Dtype kDtypes[] = {Dtype::kBool, Dtype::kI8,  Dtype::kU8,  Dtype::kI16, Dtype::kU16,
                             Dtype::kI32,  Dtype::kU32, Dtype::kI64, Dtype::kU64, Dtype::kF16,
                             Dtype::kBF16, Dtype::kF32, Dtype::kF64};

// A safetensors file as MindSpore writes it, of random tensors that have elements.
std::string RandomSafetensors(std::mt19937& random) {
  std::vector<NewTensor> tensors(1 + random() % 8);
  FileMetadata metadata = {{"format", "ms"}};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].name =
        std::string(1 + random() % 3, static_cast<char>('a' + random() % 26)) + "\xC3\xA9" + std::to_string(i);
    tensors[i].dtype = kDtypes[random() % std::size(kDtypes)];
    for (std::size_t rank = random() % 4; rank > 0; --rank) tensors[i].shape.push_back(1 + random() % 5);
    if (tensors[i].dtype == Dtype::kI8 && random() % 2 == 0) metadata.emplace_back(tensors[i].name, "Int4");
  }
  std::sort(metadata.begin(), metadata.end());
  const auto header = SerializeHeader(tensors, metadata);
  EXPECT_TRUE(header.ok()) << header.status();
  std::string bytes = header->bytes;
  while (bytes.size() < header->file_size) bytes += static_cast<char>(random());
  return bytes;
}

TEST_F(FileByFileTest, FromSafetensorsToCkptAndBackIsTheIdentity) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const std::string original = RandomSafetensors(random);
    Write("net.safetensors", original);
    const Given chunk = {{"chunk", std::to_string(1 + random() % 60)}};
    const auto there = FilesOf(Show<CkptLayout>(Open<HuggingfaceReader>("net.safetensors"), chunk));
    ASSERT_EQ(there.size(), 1u);
    Write("net.ckpt", there.at("net.ckpt"));
    const auto back = FilesOf(Show<SafetensorsLayout>(Open<CkptReader>("net.ckpt")));
    ASSERT_EQ(back.at("net.safetensors"), original) << round;
    // A .ckpt as a .ckpt: the same tensors in the same order, in other chunks.
    const auto again = FilesOf(Show<CkptLayout>(Open<CkptReader>("net.ckpt"), chunk));
    ASSERT_EQ(again.at("net.ckpt"), there.at("net.ckpt"));
  }
}

TEST_F(FileByFileTest, ReadsOfAnyRangeGiveTheFile) {
  std::mt19937 random(6);
  Write("net.safetensors", RandomSafetensors(random));
  const auto view = Show<CkptLayout>(Open<HuggingfaceReader>("net.safetensors"), {{"chunk", "7"}});
  const std::string whole = FilesOf(view).at("net.ckpt");
  const VirtualFile& file = *view->tree->node(1).file;
  EXPECT_EQ(file.kind(), FileKind::kEntries);
  for (int i = 0; i < 2000; ++i) {
    const std::size_t offset = random() % (whole.size() + 1);
    std::string bytes(random() % (whole.size() - offset + 1), '\0');
    ASSERT_TRUE(file.ReadAt(offset, std::as_writable_bytes(std::span(bytes))).ok());
    ASSERT_EQ(bytes, whole.substr(offset, bytes.size()));
    std::uint64_t from_source = 0;
    file.VisitSources(offset, bytes.size(), [&](const SourceSpan& span) { from_source += span.size; });
    EXPECT_LE(from_source, bytes.size());
  }
  std::string beyond(1, '\0');
  EXPECT_FALSE(file.ReadAt(whole.size(), std::as_writable_bytes(std::span(beyond))).ok());
}

TEST_F(FileByFileTest, NamesFoldersAndFilesAsTheReferenceDoes) {
  const std::string file = EntryOf("w", {1}, "Int8", "x");
  Write("rank_0/a.ckpt.part.ckpt", file);
  Write("rank1/b.ckpt", file);
  Write("rank_0/notes.txt", "no weights");
  Write("strategy/s.ckpt", std::string("\x08\x01", 2));
  Write("top.ckpt", file);
  const auto files = FilesOf(Show<SafetensorsLayout>(Open<CkptReader>("")));
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("rank1/b.safetensors", "rank_0/a.safetensors.part.safetensors"));
  const auto chosen = FilesOf(Show<SafetensorsLayout>(Open<CkptReader>("", {{"file_name_regex", "^b"}})));
  EXPECT_EQ(chosen.size(), 1u);
  EXPECT_TRUE(chosen.contains("rank1/b.safetensors"));
  const auto of_layout = FilesOf(Show<SafetensorsLayout>(Open<CkptReader>(""), {{"file_name_regex", "part"}}));
  EXPECT_EQ(of_layout.size(), 1u);
  EXPECT_THAT(MessageOf(Show<SafetensorsLayout>(Open<CkptReader>(""), {{"file_name_regex", "none"}})),
              HasSubstr("is found in none of the 2 files' names"));
  EXPECT_THAT(MessageOf(Show<SafetensorsLayout>(Open<CkptReader>(""), {{"file_name", "one"}})),
              HasSubstr("file_name names one file, and 2 are shown"));
  EXPECT_THAT(MessageOf(Show<SafetensorsLayout>(Open<CkptReader>(""), {{"file_name_regex", "("}})),
              HasSubstr("the regular expression"));
}

TEST_F(FileByFileTest, ADirectoryIsConvertedByItsRankFoldersAlone) {
  Write("a.ckpt", EntryOf("w", {1}, "Int8", "x"));
  EXPECT_THAT(MessageOf(Show<SafetensorsLayout>(Open<CkptReader>(""))), HasSubstr("give the file as SOURCE"));
  Write("b.ckpt", EntryOf("v", {1}, "Int8", "y"));
  const auto both = FilesOf(Show<CkptLayout>(Open<CkptReader>(""), {{"file_name", "both.ckpt"}}));
  EXPECT_EQ(both.at("both.ckpt"), EntryOf("w", {1}, "Int8", "x") + EntryOf("v", {1}, "Int8", "y"));
  std::mt19937 random(3);
  Write("model/model.safetensors", RandomSafetensors(random));
  const auto whole = FilesOf(Show<CkptLayout>(Open<HuggingfaceReader>("model"), {{"file_name", "all.ckpt"}}));
  EXPECT_TRUE(whole.contains("all.ckpt"));
}

TEST_F(FileByFileTest, RenamesByTheMapAndRefusesTwoOfOneName) {
  Write("net.ckpt", EntryOf("b", {1}, "Int8", "b") + EntryOf("a", {1}, "Int8", "a"));
  Write("map.json", R"({"b": "new", "unknown": "x"})");
  Write("twice.json", R"({"b": "a"})");
  Write("wrong.json", R"({"b": 1})");
  const auto view = Show<CkptLayout>(Open<CkptReader>("net.ckpt"), {{"name_map", Path("map.json")}});
  EXPECT_EQ(FilesOf(view).at("net.ckpt"), EntryOf("new", {1}, "Int8", "b") + EntryOf("a", {1}, "Int8", "a"));
  EXPECT_THAT(MessageOf(Show<CkptLayout>(Open<CkptReader>("net.ckpt"), {{"name_map", Path("twice.json")}})),
              HasSubstr("'b' and 'a' of 'net.ckpt' would both be called 'a'"));
  EXPECT_THAT(MessageOf(Show<CkptLayout>(Open<CkptReader>("net.ckpt"), {{"name_map", Path("wrong.json")}})),
              HasSubstr("is no text"));
  // Two maps whose names are as long make files of one size; the identity of a run tells them apart.
  Write("other.json", R"({"b": "odd"})");
  const auto other = Show<CkptLayout>(Open<CkptReader>("net.ckpt"), {{"name_map", Path("other.json")}});
  ASSERT_TRUE(view.ok() && other.ok());
  EXPECT_NE(view->options, other->options);
}

TEST_F(FileByFileTest, KeepsInt4AndRefusesOtherMarks) {
  const std::vector<NewTensor> tensors = {{"q", Dtype::kI8, {2}}, {"w", Dtype::kU8, {2}}};
  const auto file = [&](const FileMetadata& metadata) { return SerializeHeader(tensors, metadata)->bytes + "abcd"; };
  Write("net.safetensors", file({{"q", "Int4"}, {"note", "dropped"}}));
  const auto view = Show<CkptLayout>(Open<HuggingfaceReader>("net.safetensors"));
  EXPECT_EQ(FilesOf(view).at("net.ckpt"), EntryOf("q", {2}, "Int4", "ab") + EntryOf("w", {2}, "UInt8", "cd"));
  for (const FileMetadata& metadata : {FileMetadata{{"q", "Int3"}}, FileMetadata{{"w", "Int4"}}}) {
    Write("net.safetensors", file(metadata));
    EXPECT_THAT(MessageOf(Show<CkptLayout>(Open<HuggingfaceReader>("net.safetensors"))), HasSubstr("__metadata__ has"));
  }
}

TEST_F(FileByFileTest, BehindATransformOneFileKeepsItsNameAndItsMarks) {
  Write("net.ckpt", EntryOf("q", {2}, "Int4", "ab") + EntryOf("w", {1}, "Int8", "x"));
  const auto checkpoint = Open<CkptReader>("net.ckpt");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const Transform* const select =
      *std::find_if(Transforms().begin(), Transforms().end(),
                    [](const Transform* transform) { return transform->name() == "select"; });
  const auto values = ValuesOf(*select, {{"drop", "w"}, {"rename", "q=>new"}});
  ASSERT_TRUE(values.ok()) << values.status();
  const auto selected = select->Apply(*checkpoint, *values, {});
  ASSERT_TRUE(selected.ok()) << selected.status();
  EXPECT_EQ((*selected)->parts(), nullptr);
  EXPECT_EQ(FilesOf(Show<CkptLayout>(selected)).at("net.ckpt"), EntryOf("new", {2}, "Int4", "ab"));
  EXPECT_TRUE(FilesOf(Show<SafetensorsLayout>(selected, {{"file_name", "x.st"}})).contains("x.st"));
}

TEST_F(FileByFileTest, ListsEmptyTensorsAndDroppedExtrasAsIgnored) {
  const std::string string_entry = EntryOf("note", {0}, "str", std::string("h\0\0\0", 4));
  Write("net.ckpt", EntryOf("none", {0, 2}, "Int8", "") + EntryOf("w", {1}, "Int8", "x") + string_entry);
  const auto refused = Open<CkptReader>("net.ckpt");
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("entry 'note' is a string"));
  const auto view = Show<CkptLayout>(Open<CkptReader>("net.ckpt", {{"extras", "drop"}}));
  EXPECT_EQ(FilesOf(view).at("net.ckpt"), EntryOf("w", {1}, "Int8", "x"));
  ASSERT_EQ(view->ignored.size(), 2u);
  EXPECT_EQ(view->ignored[0].name, "note");
  EXPECT_EQ(view->ignored[1].name, "none");
  Write("only.ckpt", string_entry);
  EXPECT_THAT(MessageOf(Show<CkptLayout>(Open<CkptReader>("only.ckpt", {{"extras", "drop"}}))),
              HasSubstr("no tensor is left"));
}

TEST_F(FileByFileTest, OlderVersionsHaveNoMetadata) {
  Write("net.ckpt", EntryOf("w", {1}, "Int8", "x"));
  const auto file = [&](const std::string& version) {
    return FilesOf(Show<SafetensorsLayout>(Open<CkptReader>("net.ckpt"), {{"format_version", version}}))
        .at("net.safetensors");
  };
  EXPECT_THAT(file("2.6"), ::testing::Not(HasSubstr("__metadata__")));
  EXPECT_THAT(file("2.10.1"), HasSubstr(R"("__metadata__":{"format":"ms"})"));
  EXPECT_THAT(MessageOf(Show<SafetensorsLayout>(Open<CkptReader>("net.ckpt"), {{"format_version", "new"}})),
              HasSubstr("is no version of MindSpore"));
}

TEST_F(FileByFileTest, SlicesOfRanksAreNoWholeTensors) {
  Write("rank_0/n.ckpt", EntryOf("w", {1}, "Int8", "x") + EntryOf("only", {1}, "Int8", "o"));
  Write("rank_1/n.ckpt", EntryOf("w", {1}, "Int8", "y"));
  const auto checkpoint = Open<CkptReader>("");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->storage(), Checkpoint::Storage::kSlices);
  const auto slice = (*checkpoint)->Build(*(*checkpoint)->Find("w"));
  ASSERT_FALSE(slice.ok());
  EXPECT_THAT(std::string(slice.status().message()), HasSubstr("stands in 'rank_0/n.ckpt' and in 'rank_1/n.ckpt'"));
  EXPECT_TRUE((*checkpoint)->Build(*(*checkpoint)->Find("only")).ok());
}

TEST_F(FileByFileTest, RefusesMixedFormatsAndForeignFiles) {
  std::mt19937 random(9);
  Write("mixed/rank_0/a.ckpt", EntryOf("w", {1}, "Int8", "x"));
  Write("mixed/rank_1/b.safetensors", RandomSafetensors(random));
  const auto mixed = Open<CkptReader>("mixed");
  ASSERT_FALSE(mixed.ok());
  EXPECT_THAT(std::string(mixed.status().message()), HasSubstr("'rank_0/a.ckpt' and 'rank_1/b.safetensors'"));
  EXPECT_TRUE(Open<CkptReader>("mixed", {{"file_name_regex", "ckpt$"}}).ok());
  Write("torch.ckpt", std::string("PK\x03\x04", 4) + std::string(40, 'x'));
  const auto torch = Open<CkptReader>("torch.ckpt");
  ASSERT_FALSE(torch.ok());
  EXPECT_THAT(std::string(torch.status().message()), HasSubstr("'torch.ckpt' is a zip archive"));
  fs::create_directories(Path("nothing/rank_0"));
  EXPECT_EQ(Open<CkptReader>("nothing").status().code(), StatusCode::kCorruption);
  fs::create_directories(Path("empty"));
  EXPECT_EQ(Open<CkptReader>("empty").status().code(), StatusCode::kIoError);
}

TEST_F(FileByFileTest, SaysThatAFileLacksTheTrailerThatIsToBeChecked) {
  Write("net.ckpt", EntryOf("w", {1}, "Int8", "x"));
  const auto checkpoint = Open<CkptReader>("net.ckpt", {{"crc_check", "true"}});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  ASSERT_EQ((*checkpoint)->warnings().size(), 1u);
  EXPECT_THAT((*checkpoint)->warnings()[0], HasSubstr("'net.ckpt' is without a crc trailer"));
  EXPECT_TRUE(Open<CkptReader>("net.ckpt")->get()->warnings().empty());
}

}  // namespace
}  // namespace shardfs::testing
