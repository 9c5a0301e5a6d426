// Text of a checkpoint that would act on a terminal, or forge a line of the output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "console/logging.h"
#include "console/output.h"
#include "cli/run_shardfs.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kEscape = "\x1b]0;owned\a";
constexpr const char* kEscaped = "\\x1b]0;owned\\x07";

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void ExpectPlain(const std::string& text) {
  const auto controls = std::count_if(
      text.begin(), text.end(), [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f; });
  EXPECT_EQ(controls, 0) << text;
}

class HostileTextTest : public testing::Test {
 protected:
  HostileTextTest() { fs::copy(GoldenCase() + "/source", source_); }

  ProgramResult Run(const std::string& command, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = GoldenArguments(command, std::move(more));
    arguments[1] = source_;
    ProgramResult result = RunShardfs(std::move(arguments));
    ExpectPlain(result.out);
    ExpectPlain(result.err);
    return result;
  }

  // config.json with another value for a key that has a string or a number.
  void SetInConfig(const std::string& key, const std::string& json) const {
    std::string text = ReadFile(source_ + "/config.json");
    const std::size_t begin = text.find("\"" + key + "\": ") + key.size() + 4;
    text.replace(begin, text.find_first_of(",\n", begin) - begin, json);
    WriteFile(source_ + "/config.json", text);
  }

  TemporaryDirectory root_;
  std::string source_ = root_ / "source";
};

TEST_F(HostileTextTest, NamesOfFilesInAPlan) {
  WriteFile(source_ + "/tokenizer" + kEscape, "{}");
  WriteFile(source_ + "/tokenizer\n└── forged", "{}");
  const ProgramResult plan = Run("plan", {"--sources"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, HasSubstr(std::string("tokenizer") + kEscaped));
  EXPECT_THAT(plan.out, HasSubstr("tokenizer\\x0a└── forged"));
}

TEST_F(HostileTextTest, NamesOfFilesInWarnings) {
  fs::create_directory(source_ + "/tokenizer" + kEscape + "\nshardfs: forged");
  const ProgramResult plan = Run("plan");
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.err, HasSubstr("warning: 'tokenizer" + std::string(kEscaped) +
                                  "\\x0ashardfs: forged' is not a regular file and is left out"));
}

TEST_F(HostileTextTest, ValuesOfTheConfiguration) {
  for (const char* key : {"model_type", "torch_dtype", "hidden_size"}) {
    const std::string before = ReadFile(source_ + "/config.json");
    SetInConfig(key, R"("\u001b]0;owned\u0007")");
    const ProgramResult plan = Run("plan");
    EXPECT_EQ(plan.exit_code, 3) << key << plan.err;
    EXPECT_THAT(plan.err, HasSubstr(kEscaped)) << key;
    WriteFile(source_ + "/config.json", before);
  }
}

TEST_F(HostileTextTest, NamesOfTensors) {
  std::string header = "{\"\u009b31m\x7f\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string length = {static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0};
  WriteFile(source_ + "/extra.safetensors", length + header + "xx");
  const ProgramResult plan = Run("plan");
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.err, HasSubstr("'extra.safetensors' is left out: no index names it, and its 1 tensor "
                                  "('\\xc2\\x9b31m\\x7f') is not of this model"));
}

TEST_F(HostileTextTest, LinesOfTheLog) {
  const std::string log = root_ / "log";
  const auto before = spdlog::default_logger();
  ASSERT_TRUE(LogToFile(log).ok());
  spdlog::warn("{}\nforged \xc2\x9b", kEscape);
  spdlog::set_default_logger(before);
  const std::string text = ReadFile(log);
  EXPECT_THAT(text, HasSubstr(" warning: " + std::string(kEscaped) + " forged \\xc2\\x9b\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST_F(HostileTextTest, MessagesAndResults) {
  EXPECT_EQ(OneLine("a\nb\x1b\xc2\x9b\t\u00e9"), "a b\\x1b\\xc2\\x9b\\x09\u00e9");
  EXPECT_EQ(ForTerminal("a\n\tb\x1b"), "a\n\tb\\x1b");
}

}  // namespace
}  // namespace shardfs
