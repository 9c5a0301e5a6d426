// shardfs verify: changes to the content of files are found and located.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "cli/verify_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

using nlohmann::ordered_json;

// The value of the element that begins at `offset`.
float ValueAt(const std::string& data, std::size_t offset, const std::string& dtype) {
  std::uint32_t bits = 0;
  if (dtype == "F32") {
    std::memcpy(&bits, data.data() + offset, sizeof(bits));
  } else {  // BF16
    std::memcpy(&bits, data.data() + offset, 2);
    bits <<= 16;
  }
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// The index of element `n`, counted up as an odometer does.
std::vector<std::uint64_t> CountTo(std::uint64_t n, const std::vector<std::uint64_t>& shape) {
  std::vector<std::uint64_t> index(shape.size(), 0);
  for (std::uint64_t i = 0; i < n; ++i) {
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return index;
}

class VerifyContentTest : public VerifyFixture {};

TEST_F(VerifyContentTest, EveryBitFlipInTensorsIsLocated) {
  for (const char* folder :
       {"model-norm", "model-000", "model-attn-tp-000", "model-dense-tp-001", "model-moe-tp-001-ep-000"}) {
    const std::string path = std::string(folder) + "/model.safetensors";
    const TensorFile original = TensorFile::Read(At(path));
    for (const std::size_t offset : {std::size_t{0}, original.data.size() / 2, original.data.size() - 1}) {
      TensorFile changed = original;
      changed.data[offset] = static_cast<char>(changed.data[offset] ^ 0x10);
      changed.Write(At(path));
      const json difference = OnlyDifference(path, "value");
      original.Write(At(path));
      ASSERT_FALSE(difference.empty()) << path << " " << offset;

      for (const auto& [name, tensor] : original.header.items()) {
        if (name == "__metadata__") continue;
        const std::uint64_t begin = tensor["data_offsets"][0];
        if (offset < begin || offset >= tensor["data_offsets"][1].get<std::uint64_t>()) continue;
        const std::string dtype = tensor["dtype"];
        const std::size_t size = dtype == "F32" ? 4 : 2;
        EXPECT_EQ(difference["tensor"], name);
        const auto index = CountTo((offset - begin) / size, tensor["shape"].get<std::vector<std::uint64_t>>());
        EXPECT_EQ(difference["index"], json(index));
        const std::size_t element = begin + (offset - begin) / size * size;
        EXPECT_EQ(std::stof(difference["expected"].get<std::string>()), ValueAt(original.data, element, dtype));
        EXPECT_EQ(std::stof(difference["actual"].get<std::string>()), ValueAt(changed.data, element, dtype));
        const std::string message = difference["message"];
        EXPECT_THAT(message, HasSubstr("'" + name + "'"));
        EXPECT_THAT(message, HasSubstr(difference["expected"].get<std::string>()));
        EXPECT_THAT(message, HasSubstr(difference["actual"].get<std::string>()));
      }
    }
  }
  ExpectEqual();
}

TEST_F(VerifyContentTest, QuickDoesNotLookAtData) {
  EditBytes(kNormFile, [](std::string& bytes) { bytes.back() = static_cast<char>(bytes.back() ^ 1); });
  ExpectEqual({"--quick"});
  EXPECT_EQ(Verify().exit_code, 4);
}

TEST_F(VerifyContentTest, EveryBitFlipInOtherFilesIsLocated) {
  for (const char* path : {"config.json", "tokenizer.json", "configuration_deepseek.py", "generation_config.json"}) {
    const std::string original = ReadFile(At(path));
    for (const std::size_t offset : {std::size_t{0}, original.size() / 2, original.size() - 1}) {
      EditBytes(path, [offset](std::string& bytes) { bytes[offset] = static_cast<char>(bytes[offset] ^ 1); });
      const auto line = 1 + std::count(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
      const std::string message = OnlyDifference(path, "bytes").value("message", "");
      EXPECT_THAT(message, HasSubstr("byte " + std::to_string(offset) + " (line " + std::to_string(line) + ")"));
      WriteFile(At(path), original);
    }
  }
}

TEST_F(VerifyContentTest, JsonValues) {
  EditBytes("config.json", [](std::string& bytes) { bytes.replace(bytes.find("1e-06"), 5, "1e-05"); });
  EXPECT_THAT(OnlyDifference("config.json", "bytes").value("message", ""), HasSubstr("\"rms_norm_eps\": 1e-05"));
  fs::copy(GoldenCase() + "/expected/config.json", At("config.json"), fs::copy_options::overwrite_existing);

  const std::string metadata = "model_sharded_metadata.json";
  const std::string original = ReadFile(At(metadata));
  EditBytes(metadata, [](std::string& bytes) { bytes.replace(bytes.find("\"dp\": 2"), 7, "\"dp\": 3"); });
  EXPECT_THAT(OnlyDifference(metadata, "json").value("message", ""),
              HasSubstr("'parallel_option.dp': expected 2, found 3"));
  json changed = json::parse(original);
  changed["model_sharded"].erase("model-norm");
  WriteFile(At(metadata), changed.dump(4));
  EXPECT_THAT(OnlyDifference(metadata, "json", {"--quick"}).value("message", ""), HasSubstr("model-norm"));
  WriteFile(At(metadata), original + "}");
  EXPECT_THAT(OnlyDifference(metadata, "json").value("message", ""), HasSubstr("not valid JSON"));
}

TEST_F(VerifyContentTest, Headers) {
  const std::string name = "model.layers.1.input_layernorm.weight";
  const std::string other = "model.layers.1.post_attention_layernorm.weight";
  const struct {
    const char* what;
    std::function<void(ordered_json&)> edit;
    std::string tensor;
    std::string message;
  } kCases[] = {
      {"renamed",
       [&](ordered_json& header) {
         header["model.layers.1.input_layernorm.scale"] = header[name];
         header.erase(name);
       },
       name, "is called 'model.layers.1.input_layernorm.scale'"},
      {"dtype", [&](ordered_json& header) { header[name]["dtype"] = "F16"; }, name, "has dtype F16, expected BF16"},
      {"shape",
       [&](ordered_json& header) {
         header[name]["shape"] = {8, 8};
       },
       name, "has shape [8, 8], expected [64]"},
      {"exchanged",
       [&](ordered_json& header) { std::swap(header[name]["data_offsets"], header[other]["data_offsets"]); }, name,
       "expected bytes "},
      {"metadata", [&](ordered_json& header) { header["__metadata__"]["format"] = "np"; }, "",
       "the tensors are the same, but byte 35 is not"},
      {"unreadable", [&](ordered_json& header) { header[name]["shape"] = {65}; }, "", "[65]"},
  };
  const TensorFile original = TensorFile::Read(At(kNormFile));
  for (const auto& change : kCases) {
    SCOPED_TRACE(change.what);
    TensorFile changed = original;
    change.edit(changed.header);
    changed.Write(At(kNormFile));
    for (const std::vector<std::string>& mode : {std::vector<std::string>{}, {"--quick"}}) {
      const json difference = OnlyDifference(kNormFile, "header", mode);
      ASSERT_FALSE(difference.empty());
      EXPECT_EQ(difference["tensor"], change.tensor.empty() ? json() : json(change.tensor));
      EXPECT_THAT(difference.value("message", ""), HasSubstr(change.message));
    }
  }
}

TEST_F(VerifyContentTest, TensorsMoreAndLess) {
  EditTensors(kAttentionFile, [](TensorFile& file) {
    const std::size_t end = file.data.size();
    file.header["zz"] = {{"dtype", "BF16"}, {"shape", {2}}, {"data_offsets", {end, end + 4}}};
    file.data += "abcd";
  });
  json difference = OnlyDifference(kAttentionFile, "header");
  EXPECT_THAT(difference.value("message", ""), HasSubstr("tensor 'zz' (BF16 [2]) is not expected"));

  fs::copy(GoldenCase() + "/expected/" + kAttentionFile, At(kAttentionFile), fs::copy_options::overwrite_existing);
  std::string last;
  EditTensors(kAttentionFile, [&last](TensorFile& file) {
    last = std::prev(file.header.end()).key();
    file.data.resize(file.header[last]["data_offsets"][0].get<std::size_t>());
    file.header.erase(last);
  });
  difference = OnlyDifference(kAttentionFile, "header");
  EXPECT_EQ(difference["tensor"], last);
  EXPECT_THAT(difference.value("message", ""), HasSubstr("is missing"));
}

TEST_F(VerifyContentTest, EveryBitFlipInAHeaderIsFound) {
  const std::string original = ReadFile(At(kNormFile));
  for (const std::size_t offset : {0u, 7u, 8u, 9u, 30u, 60u, 200u, 400u}) {
    EditBytes(kNormFile, [offset](std::string& bytes) { bytes[offset] = static_cast<char>(bytes[offset] ^ 1); });
    OnlyDifference(kNormFile, "header");
    OnlyDifference(kNormFile, "header", {"--quick"});
    WriteFile(At(kNormFile), original);
  }
}

TEST_F(VerifyContentTest, DataOfTwoTensorsExchanged) {
  EditTensors(kNormFile, [](TensorFile& file) {
    const auto& header = file.header;
    const std::size_t a = header["model.layers.0.input_layernorm.weight"]["data_offsets"][0];
    const std::size_t b = header["model.layers.1.input_layernorm.weight"]["data_offsets"][0];
    const std::string first = file.data.substr(a, 128);
    file.data.replace(a, 128, file.data.substr(b, 128));
    file.data.replace(b, 128, first);
  });
  const json difference = OnlyDifference(kNormFile, "value");
  EXPECT_EQ(difference["tensor"], "model.layers.0.input_layernorm.weight");
}

TEST_F(VerifyContentTest, OneByteMoreOrLess) {
  const auto size = fs::file_size(At(kAttentionFile));
  for (const std::vector<std::string>& mode : {std::vector<std::string>{}, {"--quick"}}) {
    fs::resize_file(At(kAttentionFile), size - 1);
    json difference = OnlyDifference(kAttentionFile, "size", mode);
    EXPECT_EQ(difference["expected"], std::to_string(size));
    EXPECT_EQ(difference["actual"], std::to_string(size - 1));
    EXPECT_THAT(difference.value("message", ""), HasSubstr("1 byte too few"));
    EXPECT_TRUE(difference["tensor"].is_string()) << "the tensor that is cut";
    fs::resize_file(At(kAttentionFile), size + 1);
    EXPECT_THAT(OnlyDifference(kAttentionFile, "size", mode).value("message", ""), HasSubstr("1 byte too many"));
    fs::copy(GoldenCase() + "/expected/" + kAttentionFile, At(kAttentionFile), fs::copy_options::overwrite_existing);
  }
  EditBytes("config.json", [](std::string& bytes) { bytes.replace(bytes.find("1e-06"), 5, "1e-6"); });
  EXPECT_THAT(OnlyDifference("config.json", "size").value("message", ""),
              AllOf(HasSubstr("1 byte too few"), HasSubstr("first at byte"), HasSubstr("(line ")));
}

}  // namespace
}  // namespace shardfs
