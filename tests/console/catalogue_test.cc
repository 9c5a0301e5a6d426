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
#include "console/message_text.h"
#include "console/text.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

std::vector<CatalogueEntry> Entries() {
  std::vector<CatalogueEntry> all;
  for (const auto& part : Catalogue()) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// The value of adjacent literals: "a " "b" is "a b".
std::string ValueOf(const std::string& literals) {
  std::string value;
  bool inside = false;
  for (std::size_t i = 0; i < literals.size(); ++i) {
    if (literals[i] == '"') {
      inside = !inside;
    } else if (inside) {
      if (literals[i] == '\\') ++i;
      value += literals[i];
    }
  }
  return value;
}

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

// The files whose messages doctor and the checks show. A message that is not made by one pattern has no Chinese.
constexpr const char* kMessagesShown[] = {
    "cli/check_mindie.cc",
    "cli/check_server.cc",
    "layout/mindie/config/deepseek_config.cc",
    "layout/mindie/config/effective_config.cc",
    "layout/mindie/config/mindie_config.cc",
    "layout/mindie/config/mindie_config_settings.cc",
    "layout/mindie/config/quant_description.cc",
    "layout/mindie/mindie_mapping.cc",
    "layout/sharded_state/check/check_server.cc",
    "layout/sharded_state/check/shown_state.cc",
    "layout/sharded_state/model_shape.cc",
    "layout/sharded_state/sharded_options.cc",
    "service/mount_point.cc",
};

TEST(MessageCatalogueTest, HasEveryMessageThatTheChecksShow) {
  std::set<std::string_view> known;
  for (const CatalogueEntry& entry : MessageCatalogue()) known.insert(entry.english);
  const std::regex pattern(
      R"re((?:Status::[A-Z]\w+\(\s*|\bWrong\(key,\s*)(?:fmt::format\(\s*)?((?:"(?:[^"\\]|\\.)*"\s*)+))re");
  std::size_t found = 0;
  for (const char* const name : kMessagesShown) {
    std::ifstream file(std::string(SHARDFS_TESTS_DIR "/../src/") + name);
    ASSERT_TRUE(file.is_open()) << name;
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    for (auto at = std::sregex_iterator(text.begin(), text.end(), pattern); at != std::sregex_iterator(); ++at) {
      const std::string message = ValueOf((*at)[1]);
      EXPECT_TRUE(known.contains(message)) << name << " says \"" << message << "\", which has no Chinese";
      ++found;
    }
  }
  EXPECT_GT(found, 60u);
}

// Every finding is made of a Text, and a message becomes one by TextOf: as a string it would be English in all languages.
TEST(MessageCatalogueTest, NoFindingTakesAMessageAsItIs) {
  const std::regex bare(R"re((?:Wrong|Advice|Ok)\([^;]*std::string\([\w.>()-]*message\(\)\))re");
  for (const char* const folder : {"doctor", "cli", "layout/mindie/check", "layout/sharded_state/check"}) {
    for (const auto& entry : fs::directory_iterator(std::string(SHARDFS_TESTS_DIR "/../src/") + folder)) {
      if (entry.path().extension() != ".cc") continue;
      std::ifstream file(entry.path());
      const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      std::smatch match;
      EXPECT_FALSE(std::regex_search(text, match, bare)) << entry.path() << ": " << match.str();
    }
  }
}

TEST(MessageCatalogueTest, EntriesAreWellFormed) {
  std::string source;
  for (const auto& entry : fs::recursive_directory_iterator(SHARDFS_TESTS_DIR "/../src")) {
    const std::string path = entry.path();
    if (!(path.ends_with(".cc") || path.ends_with(".h")) || path.find("/catalogue/") != std::string::npos) continue;
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    source += std::regex_replace(text, std::regex(R"re("\s*\n\s*")re"), "");
  }
  std::set<std::string_view> seen;
  for (const CatalogueEntry& entry : MessageCatalogue()) {
    EXPECT_TRUE(seen.insert(entry.english).second) << "twice: " << entry.english;
    EXPECT_EQ(Placeholders(entry.english), Placeholders(entry.chinese)) << entry.english;
    const bool has_remedy = entry.english.find("; ") != std::string_view::npos;
    EXPECT_EQ(has_remedy, entry.chinese.find("；") != std::string_view::npos) << entry.english;
    // A text between two values is said somewhere, so that no entry outlives its message.
    constexpr std::size_t kTelling = 5;
    bool is_said = false;
    for (std::string_view rest = entry.english; !rest.empty();) {
      const std::size_t end = std::min(rest.find("{}"), rest.size());
      const bool is_whole = end == entry.english.size();
      std::string_view between = rest.substr(0, end);
      while (between.ends_with(' ')) between.remove_suffix(1);
      const std::string written = std::regex_replace(std::string(between), std::regex("\""), "\\\"");
      is_said = is_said || ((is_whole || between.size() >= kTelling) && source.find(written) != std::string::npos);
      rest.remove_prefix(std::min(end + 2, rest.size()));
    }
    EXPECT_TRUE(is_said || entry.english == "{}: \"{}\" {}") << entry.english << " is said nowhere";
  }
}

TEST(MessageTextTest, KnowsMessagesByTheirPattern) {
  const auto chinese = [](const std::string& message) { return TextOf(Status::InvalidArgument(message)).chinese(); };
  EXPECT_EQ(chinese("the mountpoint /m does not exist; run mkdir -p /m"), "挂载点 /m 不存在；执行 mkdir -p /m");
  EXPECT_EQ(chinese("config.json: ModelConfig[0]: \"tp\" must be a whole number"),
            "config.json: ModelConfig[0]：\"tp\" 必须是整数");
  EXPECT_EQ(chinese("a.json: tp 2 * dp 2 * cp 1 = 4, but the world size is 8"),
            "a.json：tp 2 * dp 2 * cp 1 = 4，而 world size 为 8") << "behind the name of a file";
  EXPECT_EQ(chinese("nothing knows {} this; do that"), "（英文原文）nothing knows {} this；（英文原文）do that");
  const RefusalText refusal = RefusalOf(Status::InvalidArgument("cp is 2 and dp is 2; one of them must be 1"));
  EXPECT_EQ(refusal.problem.english(), "cp is 2 and dp is 2");
  EXPECT_EQ(refusal.remedy.english(), "one of them must be 1");
  EXPECT_EQ(refusal.problem.chinese(), "cp 为 2，dp 为 2");
  EXPECT_EQ(refusal.remedy.chinese(), "其中之一必须为 1");
  EXPECT_EQ(TextOf(Status::InvalidArgument("a; b")).english(), "a; b") << "the English is as it was";
  const RefusalText list = RefusalOf(Status::Corruption("a is missing; b is missing; and 104 more"));
  EXPECT_TRUE(list.remedy.empty()) << "the last of a list is not what to do";
  EXPECT_EQ(list.problem.english(), "a is missing; b is missing; and 104 more");
  EXPECT_EQ(TextOfMessage("nothing knows this").chinese(), "nothing knows this");
  EXPECT_EQ(TextOfMessage("mindie layout (as weight_sharder writes it) of deepseek_v3 (BF16, 5 layers, 16 experts) for 2 "
                          "ranks: dp 1, tp 2")
                .chinese(),
            "mindie 布局（与 weight_sharder 写出的相同），deepseek_v3（BF16，5 层，16 个专家），2 个 rank：dp 1, tp 2");
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
