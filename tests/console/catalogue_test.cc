// The catalogue against the source: every sentence that Tr takes is there, in both languages, and no other is.
#include "console/catalogue/catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "cli/environment.h"
#include "console/finding.h"
#include "console/source_literals.h"
#include "console/text.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

// The strings behind `before` in a source file, with the file that they stand in.
std::map<std::string, std::string> Literals(const std::string& before, const std::string& extension = ".cc") {
  const std::regex pattern(before + R"re(((?:"(?:[^"\\]|\\.)*"\s*)+))re");
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(SHARDFS_TESTS_DIR "/../src")) {
    const std::string path = entry.path();
    if (entry.path().extension() != extension || path.find("/catalogue/") != std::string::npos) continue;
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    for (auto at = std::sregex_iterator(text.begin(), text.end(), pattern); at != std::sregex_iterator(); ++at) {
      found.emplace(ValueOf((*at)[1]), path);
    }
  }
  return found;
}

// "{}" and "{1:04o}", each with its number, in an order of their own.
std::multiset<std::string> Placeholders(std::string_view text) {
  std::multiset<std::string> all;
  int next = 0;
  for (std::size_t at = 0; (at = text.find('{', at)) != std::string_view::npos; ++at) {
    const std::size_t end = text.find('}', at);
    std::string inner(text.substr(at + 1, end - at - 1));
    const bool is_numbered = !inner.empty() && inner[0] != ':';
    all.insert(is_numbered ? inner : std::to_string(next++) + inner);
  }
  return all;
}

bool HasChinese(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0xe3; });
}

TEST(CatalogueTest, HasEverySentenceOfTheSource) {
  std::set<std::string_view> known;
  for (const CatalogueEntry& entry : Entries()) known.insert(entry.english);
  for (const CatalogueEntry& entry : MessageCatalogue()) known.insert(entry.english);
  const auto sentences = Literals(R"re(\bTr\(\s*)re");
  EXPECT_GT(sentences.size(), 250u);
  for (const auto& [sentence, path] : sentences) {
    EXPECT_TRUE(known.contains(sentence)) << path << " says \"" << sentence << "\", which has no Chinese";
  }
}

// The script of the page takes its sentences from what the page carries: the part of the page and the common one.
TEST(CatalogueTest, HasEverySentenceOfThePagesScript) {
  std::set<std::string_view> known;
  for (const auto part : {PageCatalogue(), CommonCatalogue()}) {
    for (const CatalogueEntry& entry : part) known.insert(entry.english);
  }
  const auto sentences = Literals(R"re(\bt\(\s*)re", ".js");
  EXPECT_GT(sentences.size(), 30u);
  for (const auto& [sentence, path] : sentences) {
    EXPECT_TRUE(known.contains(sentence)) << path << " says \"" << sentence << "\", which has no Chinese";
  }
}

TEST(CatalogueTest, HasNoSentenceThatNothingSays) {
  auto literals = Literals("");
  literals.merge(Literals("", ".js"));
  for (const CatalogueEntry& entry : Entries()) {
    EXPECT_TRUE(literals.contains(std::string(entry.english))) << "\"" << entry.english << "\" is said nowhere";
  }
}

TEST(CatalogueTest, BothLanguagesHaveTheSamePlaceholders) {
  for (const CatalogueEntry& entry : Entries()) {
    EXPECT_EQ(Placeholders(entry.english), Placeholders(entry.chinese)) << entry.english;
  }
}

// What has no Chinese character in it is a command or a form, the same in both.
TEST(CatalogueTest, TheChineseIsChinese) {
  std::set<std::string_view> seen;
  for (const CatalogueEntry& entry : Entries()) {
    EXPECT_TRUE(seen.insert(entry.english).second) << "twice: " << entry.english;
    const std::string_view chinese = entry.chinese;
    const bool is_same = chinese == entry.english || Placeholders(chinese).size() * 2 + 6 >= chinese.size();
    EXPECT_TRUE(HasChinese(chinese) || is_same || entry.chinese == "inode" || entry.chinese == "{}，huge={}")
        << entry.english << " is " << chinese;
  }
}

TEST(TextTest, HoldsBothLanguages) {
  const Text text = Tr("{}; do: {}", Tr("{} free of {}", "1 GB", "2 GB"), Name("ls"));
  EXPECT_EQ(text.In(Language::kEnglish), "1 GB free of 2 GB; do: ls");
  EXPECT_EQ(text.In(Language::kChinese), "共 2 GB，可用 1 GB；处理方法：ls");
  EXPECT_EQ(Text(std::string("/a/b")).chinese(), "/a/b");
}

TEST(TextTest, TheLanguageIsThatOfTheFirstVariableThatIsNotEmpty) {
  const auto language = [](const char* all, const char* messages, const char* lang) {
    const auto value = [](const char* text) { return text ? std::optional<std::string>(text) : std::nullopt; };
    const ScopedVariable first("LC_ALL", value(all));
    const ScopedVariable second("LC_MESSAGES", value(messages));
    const ScopedVariable third("LANG", value(lang));
    return LanguageOfEnvironment();
  };
  EXPECT_EQ(language(nullptr, nullptr, nullptr), Language::kEnglish);
  EXPECT_EQ(language(nullptr, nullptr, "zh_CN.UTF-8"), Language::kChinese);
  EXPECT_EQ(language("", "", "zh"), Language::kChinese);
  EXPECT_EQ(language("", "zh_TW", "en_US.UTF-8"), Language::kChinese);
  EXPECT_EQ(language("C", "zh_CN.UTF-8", "zh_CN.UTF-8"), Language::kEnglish);
  EXPECT_EQ(language("zh_CN.GB18030", "C", "C"), Language::kChinese);
  EXPECT_EQ(language(nullptr, nullptr, "szh_XX"), Language::kEnglish);
}

TEST(FindingTest, IsShownInEitherLanguageAndAsJsonInEnglish) {
  const std::vector<Finding> findings = {Ok(Tr("swap"), Tr("none, so tmpfs stays in memory")),
                                         Wrong(Name("/dev/fuse"), Tr("is not there"), Tr("mount it again"))};
  EXPECT_EQ(FormatFindings(findings, Language::kChinese),
            "正常    交换分区：未启用，tmpfs 始终驻留内存\n错误    /dev/fuse：不存在；处理方法：重新挂载\n");
  EXPECT_EQ(Verdict(findings).chinese(), "发现 1 处错误");
  EXPECT_EQ(FindingsToJson(findings)[1]["message"], "is not there");
}

}  // namespace
}  // namespace shardfs
