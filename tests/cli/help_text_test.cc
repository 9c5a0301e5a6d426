// Help with an example, and as wide as the terminal.
#include "cli/help_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"

namespace shardfs {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string Words(const std::string& text) {
  std::string words;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) words += word + " ";
  return words;
}

TEST(HelpTextTest, DescriptionsStandBelowThemselves) {
  EXPECT_EQ(WrapHelp("  -z,--lazy                   Detach it even when it is busy, and let it go\n", 60),
            "  -z,--lazy                   Detach it even when it is\n"
            "                              busy, and let it go\n");
  EXPECT_EQ(WrapHelp("Usage: one two three four five six seven eight\n", 40),
            "Usage: one two three four five six seven\neight\n");
  EXPECT_EQ(WrapHelp("short\n\n  as it is\n", 40), "short\n\n  as it is\n");
  const std::string word = std::string(70, 'x');
  EXPECT_EQ(WrapHelp(word + "\n", 40), word + "\n") << "one word is not broken";
  EXPECT_EQ(WrapHelp(word + " y", 0), word + " y") << "not a terminal";
}

// The help of every subcommand, at every width: no word is lost, and lines are long only where a word is.
TEST(HelpTextTest, NoWordIsLostAtAnyWidth) {
  for (const char* command : {"mount", "status", "layouts", "check-vllm", "merge-strategies"}) {
    const std::string help = RunShardfs({command, "--help"}).out;
    ASSERT_FALSE(help.empty());
    for (const std::size_t width : {40u, 60u, 80u, 132u}) {
      const std::string wrapped = WrapHelp(help, width);
      EXPECT_EQ(Words(wrapped), Words(help)) << command << " at " << width;
      for (const std::string& line : Lines(wrapped)) {
        const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
        const bool is_one_word = line.find(' ', begin) == std::string::npos;
        const bool is_names = line.starts_with("  -") || line.starts_with("  ");  // CLI11 ends long names before a break
        EXPECT_TRUE(line.size() <= width || is_one_word || (is_names && line.find("  ", begin) == std::string::npos))
            << command << " at " << width << ": " << line;
      }
    }
  }
}

TEST(HelpTextTest, EverySubcommandHasAnExample) {
  const std::string help = RunShardfs({"--help"}).out;
  EXPECT_THAT(help, HasSubstr("\nExample: shardfs mount "));
  const std::size_t list = help.find("Subcommands:");
  ASSERT_NE(list, std::string::npos);
  std::size_t commands = 0;
  for (const std::string& line : Lines(help.substr(list))) {
    if (!line.starts_with("  ")) continue;
    const std::string command = line.substr(2, line.find(' ', 2) - 2);
    ++commands;
    const ProgramResult result = RunShardfs({command, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    const std::string last = Lines(result.out).back();
    EXPECT_THAT(last, StartsWith("Example: shardfs " + command + " ")) << command;
    // The example types options that there are.
    std::istringstream words(last.substr(0, last.find(" -- ")));
    for (std::string word; words >> word;) {
      if (word.starts_with("--")) {
        EXPECT_THAT(result.out, HasSubstr(word)) << command;
      }
    }
  }
  EXPECT_GE(commands, 12u);
  EXPECT_EQ(RunShardfs({"--version"}).out.find("Example"), std::string::npos);
}

// On a terminal of 60 columns, which script(1) makes.
TEST(HelpTextTest, IsAsWideAsTheTerminal) {
  if (std::system("command -v script >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no script(1)";
  const std::string command = "script -qec \"stty cols 60; '" SHARDFS_EXECUTABLE "' umount --help\" /dev/null </dev/null";
  FILE* const pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string text;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  EXPECT_EQ(::pclose(pipe), 0);
  std::erase(text, '\r');
  EXPECT_THAT(text, HasSubstr("  -z,--lazy "));
  for (const std::string& line : Lines(text)) EXPECT_LE(line.size(), 60u) << line;
}

}  // namespace
}  // namespace shardfs
