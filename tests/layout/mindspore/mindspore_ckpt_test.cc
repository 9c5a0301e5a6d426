// MindSpore's ranks as .ckpt: read with a strategy, and written in the order and form of MindSpore's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "format/ckpt/ckpt_forms.h"
#include "format/ckpt/encrypted_bytes.h"
#include "layout/file_by_file/ckpt_layout.h"
#include "layout/mindspore/mindspore_files.h"
#include "layout/mindspore/mindspore_layout.h"
#include "shardfs/format/ckpt/ckpt.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string BytesOfElements(const U32Tensor& tensor) {
  std::string bytes(tensor.elements.size() * sizeof(std::uint32_t), '\0');
  std::memcpy(bytes.data(), tensor.elements.data(), bytes.size());
  return bytes;
}

std::string CkptOf(const std::vector<std::pair<std::string, U32Tensor>>& tensors) {
  std::string file;
  for (const auto& [name, tensor] : tensors) file += EntryOf(name, tensor.shape, "UInt32", BytesOfElements(tensor));
  return file;
}

// The names in a .ckpt, in its order.
std::vector<std::string> NamesOf(const std::string& ckpt) {
  const MemorySource source = SourceOf(ckpt);
  const auto content = ReadCkpt(source);
  EXPECT_TRUE(content.ok()) << content.status();
  std::vector<std::string> names;
  if (content.ok()) {
    for (const CkptTensor& tensor : content->tensors) names.push_back(tensor.name);
  }
  return names;
}

// Two ranks; w and z are cut by rows, lr is in no strategy. Entries stand in another order than the names'.
class MindsporeCkptTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const ParameterLayout rows = FlatLayout({2}, {0, -1});
    WriteStrategy(Path("src.ckpt"), {{"0-w", rows}, {"0-z", rows}});
    WriteStrategy(Path("dst.ckpt"), {{"0-w", FlatLayout({2}, {-1, 0})}, {"0-z", FlatLayout({2}, {-1, 0})}});
    for (std::uint32_t rank = 0; rank < 2; ++rank) Write(Folder("ckpt", rank) + "/n.ckpt", CkptOf(Tensors(rank)));
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      const auto tensors = Tensors(rank);
      WriteTensors(Path(Folder("st", rank) + "/n-1_1.safetensors"), {tensors.begin(), tensors.end()});
    }
  }

  static std::vector<std::pair<std::string, U32Tensor>> Tensors(std::uint32_t rank) {
    return {{"z", Counting({2, 4}, 100 + 8 * rank)}, {"lr", Counting({}, 7)}, {"w", Counting({2, 4}, 8 * rank)}};
  }
  static std::string Folder(const std::string& source, std::uint32_t rank) {
    return source + "/rank_" + std::to_string(rank);
  }
  fs::path Path(const std::string& name) const { return directory_.path() / name; }
  void Write(const std::string& name, const std::string& bytes) const { WriteFiles(directory_.path(), {{name, bytes}}); }

  Result<View> Show(const std::string& source, GivenOptions options, GivenOptions of_reader = {}) const {
    of_reader.emplace_back("src_strategy", Path("src.ckpt"));
    options.emplace_back("dst_strategy", Path("dst.ckpt"));
    return ViewOf<MindsporeLayout>(OpenMindspore(Path(source), of_reader), options);
  }
  static std::map<std::string, std::string> Files(const Result<View>& view) {
    EXPECT_TRUE(view.ok()) << view.status();
    return view.ok() ? FilesOf(*view) : std::map<std::string, std::string>();
  }

  MountableDirectory directory_;
};

TEST_F(MindsporeCkptTest, TheRanksAreThoseOfTheSameSourceInSafetensors) {
  const auto expected = Files(Show("st", {}));
  const auto shown = Files(Show("ckpt", {{"output_format", "safetensors"}}));
  ASSERT_EQ(shown.size(), 2u);
  for (const auto& [path, bytes] : expected) EXPECT_EQ(TensorsOf(shown.at(path)), TensorsOf(bytes)) << path;
}

TEST_F(MindsporeCkptTest, WritesTheSourcesFormatInTheOrderInWhichNamesAreMet) {
  const auto view = Show("ckpt", {});
  const auto files = Files(view);
  ASSERT_EQ(files.size(), 2u);
  const auto expected = Files(Show("st", {}));
  for (const std::string rank : {"0", "1"}) {
    const std::string& file = files.at("rank_" + rank + "/checkpoint_" + rank + ".ckpt");
    EXPECT_THAT(NamesOf(file), ElementsAre("z", "w", "lr"));
    const U32Tensors tensors = TensorsOf(expected.at("rank_" + rank + "/checkpoint_" + rank + ".safetensors"));
    EXPECT_EQ(file, CkptOf({{"z", tensors.at("z")}, {"w", tensors.at("w")}, {"lr", tensors.at("lr")}}));
  }
  for (NodeId id = 0; id < view->tree->size(); ++id) {
    const VirtualNode& node = view->tree->node(id);
    if (node.is_directory()) continue;
    EXPECT_EQ(node.file->kind(), FileKind::kEntries);
    EXPECT_EQ(node.file->tensor_count(), 3u);
  }
  EXPECT_THAT(view->options, Contains(std::pair<std::string, std::string>("output_format", "ckpt")));
}

TEST_F(MindsporeCkptTest, SafetensorsAreWrittenAsCkptWhereThatIsAskedFor) {
  EXPECT_EQ(Files(Show("st", {{"output_format", "ckpt"}})).size(), 2u);
  EXPECT_TRUE(Files(Show("st", {{"output_format", "ckpt"}})).contains("rank_1/checkpoint_1.ckpt"));
}

TEST_F(MindsporeCkptTest, OneFullFileIsCutForRanks) {
  Write("full.ckpt", CkptOf({{"lr", Counting({}, 7)}, {"w", Counting({4, 4}, 0)}, {"z", Counting({4, 4}, 100)}}));
  const auto view = ViewOf<MindsporeLayout>(OpenMindspore(Path("full.ckpt"), {}), {{"dst_strategy", Path("dst.ckpt")}});
  const auto files = Files(view);
  EXPECT_THAT(NamesOf(files.at("rank_1/checkpoint_1.ckpt")), ElementsAre("w", "z", "lr"));
  // The same bytes as from ranks, whose rank 1 has z before w.
  const auto of_ranks = Files(Show("ckpt", {}));
  EXPECT_EQ(files.at("rank_0/checkpoint_0.ckpt").size(), of_ranks.at("rank_0/checkpoint_0.ckpt").size());
}

// With a strategy the layouts of files show one file, of the tensors put together; without one, the ranks' own files.
TEST_F(MindsporeCkptTest, MergedRanksAreOneFile) {
  const GivenOptions strategy = {{"src_strategy", Path("src.ckpt")}};
  const auto checkpoint = OpenMindspore(Path("ckpt"), strategy);
  const CkptLayout layout;
  const MindsporeReader reader;
  std::vector<const OptionSpec*> specs;
  for (const OptionSpec& spec : layout.options()) specs.push_back(&spec);
  for (const OptionSpec& spec : reader.options()) specs.push_back(&spec);
  const auto show = [&](const GivenOptions& given) -> Result<View> {
    std::vector<GivenOption> options;
    for (const auto& [name, text] : given) options.push_back({name, text, OptionOrigin::kCommandLine, name});
    SHARDFS_ASSIGN_OR_RETURN(const OptionValues values, OptionValues::Create(std::move(options), specs));
    return layout.Build(*checkpoint, values, {});
  };
  const auto merged = Files(show({{"src_strategy", Path("src.ckpt")}, {"file_name", "all.ckpt"}}));
  ASSERT_EQ(merged.size(), 1u);
  EXPECT_EQ(merged.at("all.ckpt"),
            CkptOf({{"z", Counting({4, 4}, 100)}, {"lr", Counting({}, 7)}, {"w", Counting({4, 4}, 0)}}));
  EXPECT_FALSE(show(strategy).ok());  // of two files none can lend its name
  EXPECT_EQ(Files(show({})).size(), 2u);
}

TEST_F(MindsporeCkptTest, Int4StaysInt4) {
  WriteStrategy(Path("src.ckpt"), {{"0-q", FlatLayout({2}, {0})}});
  WriteStrategy(Path("dst.ckpt"), {{"0-q", FlatLayout({2}, {-1})}});
  Write("q/rank_0/n.ckpt", EntryOf("q", {2}, "Int4", "ab"));
  Write("q/rank_1/n.ckpt", EntryOf("q", {2}, "Int4", "cd"));
  EXPECT_EQ(Files(Show("q", {})).at("rank_0/checkpoint_0.ckpt"), EntryOf("q", {4}, "Int4", "abcd"));
  const auto files = Files(Show("q", {{"output_format", "safetensors"}}));
  EXPECT_THAT(MetadataOf(files.at("rank_1/checkpoint_1.safetensors")),
              Contains(std::pair<std::string, std::string>("q", "Int4")));
}

TEST_F(MindsporeCkptTest, TakesTheLastByNameAndSaysWhereItIsNotTheNewest) {
  Write("ckpt/rank_0/n-1_10.ckpt", CkptOf(Tensors(0)));
  Write("ckpt/rank_0/n-1_9.ckpt", CkptOf(Tensors(1)));
  fs::remove(Path("ckpt/rank_0/n.ckpt"));
  const auto checkpoint = OpenMindspore(Path("ckpt"), {{"src_strategy", Path("src.ckpt")}});
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT((*checkpoint)->warnings(),
              Contains(AllOf(HasSubstr("'rank_0/n-1_9.ckpt' is taken"), HasSubstr("n-1_10.ckpt' is of a later step"))));
}

TEST_F(MindsporeCkptTest, StringsAreRefusedOrLeftOut) {
  Write("ckpt/rank_1/n.ckpt", CkptOf(Tensors(1)) + EntryOf("note", {0}, "str", std::string("h\0\0\0", 4)));
  const auto refused = Show("ckpt", {});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("entry 'note' is a string"));
  const auto view = Show("ckpt", {}, {{"extras", "drop"}});
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_EQ(view->ignored.size(), 1u);
  EXPECT_EQ(view->ignored[0].name, "note");
}

TEST_F(MindsporeCkptTest, EncryptedRanksAreReadWithTheirKey) {
  const auto expected = Files(Show("ckpt", {}));
  Write("key", kHex128);
  for (std::uint32_t rank = 0; rank < 2; ++rank) {
    Write(Folder("ckpt", rank) + "/n.ckpt", Encrypt(CipherMode::kAesGcm, *KeyOf(kHex128), CkptOf(Tensors(rank)), 50));
  }
  EXPECT_FALSE(Show("ckpt", {}).ok());
  const auto view = Show("ckpt", {}, {{"key_file", Path("key")}});
  EXPECT_EQ(Files(view), expected);
}

TEST_F(MindsporeCkptTest, TwoFormatsAndStrategiesInRankFoldersAreRefused) {
  WriteTensors(Path("ckpt/rank_1/n.safetensors"), {{"w", Counting({2, 4}, 0)}});
  EXPECT_THAT(std::string(Show("ckpt", {}).status().message()), HasSubstr("files of two formats"));
  fs::remove(Path("ckpt/rank_1/n.safetensors"));
  fs::copy_file(Path("src.ckpt"), Path("ckpt/rank_1/z.ckpt"));
  EXPECT_THAT(std::string(Show("ckpt", {}).status().message()), HasSubstr("'rank_1/z.ckpt' is a parallel strategy file"));
}

}  // namespace
}  // namespace shardfs::testing
