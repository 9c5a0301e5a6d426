#include "checkpoint/checkpoint_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void ExpectCorrupt(std::string_view json, const std::vector<std::string>& parts) {
  const auto index = ParseCheckpointIndex(json, "index.json");
  ASSERT_FALSE(index.ok()) << json;
  EXPECT_EQ(index.status().code(), StatusCode::kCorruption) << index.status();
  EXPECT_THAT(std::string(index.status().message()), HasSubstr("'index.json'"));
  for (const std::string& part : parts) EXPECT_THAT(std::string(index.status().message()), HasSubstr(part));
}

TEST(CheckpointIndexTest, ReadsTheWeightMapAndPassesOverTheRest) {
  const auto index = ParseCheckpointIndex(
      R"({"metadata": {"total_size": 12, "nested": [1, {"weight_map": "no"}]},
          "weight_map": {"b": "2.safetensors", "a": "1.safetensors", "c": "2.safetensors"}, "other": 1.5})",
      "index.json");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_THAT(index->files, ElementsAre("2.safetensors", "1.safetensors"));
  ASSERT_EQ(index->weight_map.size(), 3u);
  EXPECT_EQ(index->weight_map[0].tensor, "a");
  EXPECT_EQ(index->weight_map[0].file, 1u);
  EXPECT_EQ(index->weight_map[2].tensor, "c");
  EXPECT_EQ(index->weight_map[2].file, 0u);
}

TEST(CheckpointIndexTest, RefusesFilesThatAreNoPlainNames) {
  const auto expect_reason = [](const std::string& file, const std::string& reason) {
    ExpectCorrupt(R"({"weight_map": {"t": ")" + file + "\"}}",
                  {"gives '" + file + "' for tensor 't', which " + reason});
  };
  for (const char* file :
       {"../1.safetensors", "/etc/1.safetensors", "a/1.safetensors", "..", ".", "", "1.safetensors/"}) {
    expect_reason(file, "is not the plain name of a file in the directory");
  }
  for (const char* file : {"model.bin", "1.safetensors.bin", "1.SAFETENSORS", "..."}) {
    expect_reason(file, "does not end in .safetensors");
  }
  for (const char* file : {".safetensors", ".1.safetensors", "...safetensors"})
    expect_reason(file, "begins with a dot");
  ExpectCorrupt(R"({"weight_map": {"t": "a\u0000b.safetensors"}})", {"'t'", "'a\\x00b.safetensors'", "plain name"});
}

TEST(CheckpointIndexTest, RefusesATensorTwice) {
  ExpectCorrupt(R"({"weight_map": {"t": "1.safetensors", "u": "1.safetensors", "t": "2.safetensors"}})",
                {"'t'", "twice"});
}

TEST(CheckpointIndexTest, RefusesAWeightMapThatIsNone) {
  ExpectCorrupt("{}", {"no weight_map"});
  ExpectCorrupt(R"({"metadata": {"weight_map": {}}})", {"no weight_map"});
  ExpectCorrupt(R"({"weight_map": []})", {"weight_map", "an array"});
  ExpectCorrupt(R"({"weight_map": "x"})", {"weight_map", "a string"});
  ExpectCorrupt(R"({"weight_map": {"t": 1}})", {"'t'", "a number"});
  ExpectCorrupt(R"({"weight_map": {"t": {}}})", {"'t'", "an object"});
  ExpectCorrupt(R"({"weight_map": {"t": ["1.safetensors"]}})", {"'t'", "an array"});
  ExpectCorrupt(R"({"weight_map": {}, "weight_map": {}})", {"weight_map", "twice"});
}

TEST(CheckpointIndexTest, RefusesWhatIsNoObject) {
  ExpectCorrupt("", {"is empty"});
  ExpectCorrupt("version https://git-lfs.github.com/spec/v1\n", {"git-lfs pointer"});
  ExpectCorrupt("[]", {"an array"});
  ExpectCorrupt("7", {"a number"});
  ExpectCorrupt("null", {"null"});
  ExpectCorrupt(R"({"weight_map": {)", {"byte"});
  ExpectCorrupt(std::string_view("{\"weight_map\": {}}\0{}", 21), {"NUL"});
  ExpectCorrupt("{\"metadata\": " + std::string(100'000, '['), {"deeper than 16"});
}

TEST(CheckpointIndexTest, RefusesMoreThanTheLimit) {
  const std::string json(kMaxIndexBytes + 1, ' ');
  EXPECT_EQ(ParseCheckpointIndex(json, "index.json").status().code(), StatusCode::kNotSupported);
}

}  // namespace
}  // namespace shardfs
