// Which files of the source count: indices that disagree, files that no layer needs, files that are not what they say.
#include <gmock/gmock.h>

#include "layout/mindie/mindie_fixture.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kPointer[] = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n";

class SourceFilesTest : public MindieFixture {
 protected:
  void SetUp() override { ASSERT_TRUE(Build().ok()); }

  fs::path Path(const std::string& name) const { return fs::path(directory_) / name; }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }

  // A file of BF16 tensors of zeros.
  void WriteShard(const std::string& name, const std::vector<std::string>& tensors) const {
    std::vector<NewTensor> entries;
    for (const std::string& tensor : tensors) entries.push_back({tensor, Dtype::kBF16, {4}});
    const auto header = SerializeHeader(entries);
    ASSERT_TRUE(header.ok());
    std::string bytes = header->bytes;
    bytes.resize(header->file_size);
    Write(name, bytes);
  }

  std::vector<std::string> Warnings() {
    const auto result = BuildWritten();
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->warnings : std::vector<std::string>{"refused"};
  }

  // The view's names, sizes and source places, as text.
  std::string Shown() {
    const auto result = BuildWritten();
    EXPECT_TRUE(result.ok()) << result.status();
    std::string shown;
    for (NodeId id = 0; result.ok() && id < result->tree->size(); ++id) {
      const VirtualNode& node = result->tree->node(id);
      shown += node.name + " " + std::to_string(node.file == nullptr ? 0 : node.file->size()) + "\n";
    }
    return shown;
  }
};

TEST_F(SourceFilesTest, ATrueIndexIsNotSpokenOf) { EXPECT_THAT(Warnings(), IsEmpty()); }

TEST_F(SourceFilesTest, AnIndexOfOtherFilesIsAWarning) {
  const std::string shown = Shown();
  std::string index = ReadFile(Path(kIndex));
  for (std::size_t at = 0; (at = index.find("of-00002", at)) != std::string::npos;) index.replace(at, 8, "of-00007");
  Write(kIndex, index);
  EXPECT_THAT(Warnings(), Contains(AllOf(HasSubstr("the index 'model.safetensors.index.json' disagrees with the files"),
                                         HasSubstr("names 2 files that are missing"), HasSubstr("remove it"))));
  EXPECT_EQ(Shown(), shown);
  // Beside the right one.
  fs::rename(Path(kIndex), Path("other.safetensors.index.json"));
  for (std::size_t at = 0; (at = index.find("of-00007", at)) != std::string::npos;) index.replace(at, 8, "of-00002");
  Write(kIndex, index);
  EXPECT_THAT(Warnings(), ::testing::ElementsAre(HasSubstr("the index 'other.safetensors.index.json' disagrees")));
}

TEST_F(SourceFilesTest, AnIndexThatMapsTensorsThatAreGoneIsAWarning) {
  std::string index = ReadFile(Path(kIndex));
  const std::size_t map = index.find('{', index.find("weight_map")) + 1;
  index.insert(map, R"("model.norm.weight_scale_inv": "model-00001-of-00002.safetensors",)");
  Write(kIndex, index);
  EXPECT_THAT(Warnings(), Contains(HasSubstr("maps 1 tensor that no header has ('model.norm.weight_scale_inv' to "
                                             "'model-00001-of-00002.safetensors')")));
}

TEST_F(SourceFilesTest, AnExtraFileThatNoIndexNamesIsLeftOut) {
  const std::string shown = Shown();
  WriteShard("rot.safetensors", {"rot.weight", "rot.bias"});
  const auto result = BuildWritten();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->warnings,
              ::testing::ElementsAre(HasSubstr("'rot.safetensors' is left out: no index names it, and its 2 tensors")));
  EXPECT_THAT(result->ignored, Contains(::testing::Field(&IgnoredTensor::name, "rot.weight")));
  EXPECT_EQ(Shown(), shown);
}

TEST_F(SourceFilesTest, AnExtraFileWithoutAnIndexIsRefusedWithTheWayOut) {
  WriteShard("rot.safetensors", {"rot.weight"});
  fs::remove(Path(kIndex));
  ExpectRefused(BuildWritten(), 3, "'rot.safetensors' is no part of this model", "move it out of the directory");
  Write("other.safetensors.index.json", R"({"weight_map": {"x": "x.safetensors"}})");
  ExpectRefused(BuildWritten(), 3, "'rot.safetensors'", "move it out of the directory");  // it is about other files
}

TEST_F(SourceFilesTest, AnExtraFileThatTheIndexNamesIsRefused) {
  WriteShard("rot.safetensors", {"rot.weight"});
  std::string index = ReadFile(Path(kIndex));
  index.insert(index.find('{', index.find("weight_map")) + 1, R"("rot.weight": "rot.safetensors",)");
  Write(kIndex, index);
  ExpectRefused(BuildWritten(), 3, "'rot.safetensors'", "move it out of the directory");
}

TEST_F(SourceFilesTest, AFileWithALayerIsNeverLeftOut) {
  WriteShard("more.safetensors", {"model.layers.77.input_layernorm.weight"});
  ExpectRefused(BuildWritten(), 3, "'more.safetensors'", "model.layers.77.input_layernorm.weight");
  WriteShard("more.safetensors", {"model.layers.0.mlp.experts.999.up_proj.weight"});
  ExpectRefused(BuildWritten(), 3, "'more.safetensors'", "model.layers.0.mlp.experts.999.up_proj.weight");
  WriteShard("more.safetensors", {"model.layers.0.self_attn.rotation"});
  EXPECT_TRUE(BuildWritten().ok()) << "no decoder layer has such a tensor";
}

TEST_F(SourceFilesTest, AMissingNumberIsSaidFirst) {
  fs::remove(Path("model-00002-of-00002.safetensors"));
  for (const bool mtp : {false, true}) {
    options_.mtp = mtp;
    const auto result = BuildWritten();
    ExpectRefused(result, 3, "is incomplete: 1 of the 2 files", "('model-00002-of-00002.safetensors')");
    EXPECT_LT(result.status().message().find("model-00002-of-00002"), result.status().message().find("MTP"));
    EXPECT_LT(result.status().message().find("model-00002-of-00002"), result.status().message().find("model.layers"));
  }
  fs::remove(Path(kIndex));
  ExpectRefused(BuildWritten(), 3, "is incomplete: 1 of the 2 files", "('model-00002-of-00002.safetensors')");
  fs::remove(Path("config.json"));
  ExpectRefused(BuildWritten(), 3, "is incomplete: 1 of the 2 files", "config.json");
}

TEST_F(SourceFilesTest, NumbersThatAreMissingFromACompleteCheckpointAreAWarning) {
  fs::rename(Path("model-00002-of-00002.safetensors"), Path("model-00002-of-00003.safetensors"));
  fs::rename(Path("model-00001-of-00002.safetensors"), Path("model-00001-of-00003.safetensors"));
  fs::remove(Path(kIndex));
  EXPECT_THAT(Warnings(), ::testing::ElementsAre(AllOf(HasSubstr("'model-00003-of-00003.safetensors'"),
                                                       HasSubstr("hold every tensor of this view"))));
}

TEST_F(SourceFilesTest, SaysThatTheFilesAreIncompleteWhereTheIndexIsNot) {
  std::string index = ReadFile(Path(kIndex));
  fs::rename(Path("model-00001-of-00002.safetensors"), Path("a.safetensors"));
  fs::remove(Path("model-00002-of-00002.safetensors"));
  for (const auto& [from, to] : {std::pair{"model-00001-of-00002", "a"}, std::pair{"model-00002-of-00002", "b"}}) {
    const std::string name = from;
    for (std::size_t at = 0; (at = index.find(name, at)) != std::string::npos;) index.replace(at, name.size(), to);
  }
  Write(kIndex, index);
  ExpectRefused(BuildWritten(), 3, "the files are incomplete: the index 'model.safetensors.index.json' maps ",
                "to 'b.safetensors', which is missing");
}

TEST_F(SourceFilesTest, CompanionsThatAreOtherFiles) {
  Write("tokenizer.json", kPointer);
  ExpectRefused(BuildWritten(), 3, "'tokenizer.json' is a git-lfs pointer", "git lfs pull");
  Write("tokenizer.json", "<html>404</html>");
  ExpectRefused(BuildWritten(), 3, "'tokenizer.json' is an HTML page", "download");
  Write("tokenizer.json", "");
  EXPECT_THAT(Warnings(), Contains(HasSubstr("'tokenizer.json' is empty")));
  Write("tokenizer.json", "{}");
  Write("tokenizer.model", std::string("\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\2", 16));
  EXPECT_THAT(Warnings(), IsEmpty());
}

TEST_F(SourceFilesTest, TheConfigThatIsAnotherFile) {
  Write("config.json", kPointer);
  ExpectRefused(BuildWritten(), 3, "'config.json' is a git-lfs pointer", "git lfs pull");
}

}  // namespace
}  // namespace shardfs::testing
