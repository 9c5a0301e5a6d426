// The messages of the source against their part of the catalogue, and how they are recognised.
#include "console/message_text.h"

#include <fmt/args.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "console/source_literals.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

// Where the messages, summaries, accounts and questions are made that doctor, the checks and the page show: a plan
// passes through all of these. What is left out has a reason: folders that only other commands reach (fuse,
// materialize, service, verify) speak English alone, and those of `tensor` and `view` are programmers' errors, which
// no checkpoint and no option causes.
constexpr const char* kPlacesOfMessages[] = {
    "base",     "checkpoint", "cli/check_mindie.cc",    "cli/check_server.cc", "format", "layout", "option", "parallel",
    "pipeline", "source",     "service/mount_point.cc", "transform",
};

struct NotShown {
  const char* file;
  const char* text;  // of the literal, a part; "" for all of the file
  const char* why;
};

constexpr NotShown kNotShown[] = {
    {"_layout.h", "", "descriptions, for `shardfs layouts` and the man pages"},
    {"_reader.h", "", "descriptions, for `shardfs layouts` and the man pages"},
    {"transform/lora.h", "", "a description, for `shardfs layouts`"},
    {"transform/select.h", "", "a description, for `shardfs layouts`"},
    {"rank_cut/presets.cc", "", "descriptions, for `shardfs layouts rank-cut`"},
    {"rank_cut/cut_table.cc", "", "the table of cuts in the text of `shardfs plan`"},
    {"check/flag_table.cc", "", "the table of flags in `shardfs check-vllm --help`; its verdicts are found below"},
    {"sharded_state_layout.cc", "names are known", "a table of `shardfs layouts sharded-state`"},
    {"sharded_state_layout.cc", "names change with", "a table of `shardfs layouts sharded-state`"},
    {"offset_check.cc", "Offsets: ", "an answer of `plan --check`"},
    {"replica_check.cc", "Replicas: ", "an answer of `plan --check`"},
    {"base/file_mode.h", "", "about --umask and the like, which only mounts take"},
    {"base/json_error.cc", "unexpected end of input", "what the JSON library says, compared with"},
    {"base/json_error.cc", "missing closing quote", "what the JSON library says, compared with"},
    {"base/json_error.cc", "invalid string: control", "what the JSON library says, compared with"},
    {"base/json_error.cc", "unexpected string literal", "what the JSON library says, compared with"},
    {"base/user_names.cc", "' on this machine", "about --uid and the like, which the parser of arguments reports"},
    {"header_parse.cc", "bytes were given of a header", "a programmer's error"},
    {"encrypted_source.cc", "goes beyond its", "a programmer's error"},
    {"pipeline/run_identity.cc", "", "about the directory of an earlier materialize"},
    {"pipeline/view_identity.cc", "", "about the directory of an earlier materialize"},
    {"cli/check_server.cc", "Say whether {}", "help"},
    {"cli/check_server.cc", "Release of {}", "help"},
    {"base/install_command.cc", "", "a part of a command"},
    {"base/user_names.cc", "'s name or number", "about --uid and the like, which the parser of arguments reports"},
    {"serve_command.cc", "vllm serve", "a command"},
    {"rank_cut/rank_parts.cc", "{} (tp {}, pp {}, dp {}", "an order of ranks and its sizes, no words"},
    {"merge_tensors.cc", "file counts, and {}", "has two entries, by what stands in it"},
    {"pipeline/build_view.cc", "no reader has an option", "for `shardfs check`, which has the reader's options alone"},
};

bool IsShown(const std::string& path, const std::string& literal) {
  // Help begins with a capital; of messages questions alone do, which hold a name.
  const std::size_t word = literal.find_first_not_of("abcdefghijklmnopqrstuvwxyz-'", 1);
  const bool is_help = std::isupper(static_cast<unsigned char>(literal[0])) != 0 && word > 1 && literal[word] == ' ' &&
                       literal.find("{}") == std::string::npos;
  return !is_help && std::none_of(std::begin(kNotShown), std::end(kNotShown), [&](const NotShown& one) {
    return path.ends_with(one.file) && literal.find(one.text) != std::string::npos;
  });
}

// A message that is put together of parts has an entry that each part stands in.
TEST(MessageCatalogueTest, HasEveryMessageThatAPlanMayGive) {
  std::string known;
  for (const auto part : {MessageCatalogue(), CountCatalogue()}) {
    for (const CatalogueEntry& entry : part) known.append(entry.english).push_back('\0');
  }
  for (const CatalogueEntry& entry : Entries()) known.append(PlainPattern(std::string(entry.english))).push_back('\0');
  std::size_t sentences = 0;
  const auto look = [&](const fs::path& path) {
    if (path.extension() != ".cc" && path.extension() != ".h") return;
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    std::vector<std::string> literals = MessageLiterals(text);
    std::erase_if(literals, [](const std::string& literal) { return !IsSentence(literal); });
    for (std::string& refusal : Refusals(text)) literals.push_back(std::move(refusal));
    for (const std::string& literal : literals) {
      if (!IsShown(path, literal)) continue;
      ++sentences;
      std::string plain = PlainPattern(literal);
      plain.erase(0, plain.find_first_not_of(' '));
      plain.erase(plain.find_last_not_of(' ') + 1);
      EXPECT_NE(known.find(plain), std::string::npos) << path << " says \"" << literal << "\", which has no Chinese";
    }
  };
  for (const char* const place : kPlacesOfMessages) {
    const fs::path path = std::string(SHARDFS_TESTS_DIR "/../src/") + place;
    ASSERT_TRUE(fs::exists(path)) << place;
    if (!fs::is_directory(path)) {
      look(path);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(path)) look(entry.path());
  }
  EXPECT_GT(sentences, 800u);
}

// Every finding is made of a Text, and a message becomes one by TextOf: as a string it would be English in all
// languages.
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

// The number of values of a message's pattern.
std::size_t CountPlaces(std::string_view pattern) {
  std::size_t places = 0;
  for (std::size_t at = 0; (at = pattern.find("{}", at)) != pattern.npos; at += 2) ++places;
  return places;
}

// That of its Chinese, where each value stands once, in order or by number; 999 where one stands twice or is missing.
std::size_t NumberPlaces(std::string_view chinese) {
  std::set<std::size_t> numbers;
  std::size_t places = 0;
  for (std::size_t i = 0; i < chinese.size(); ++i) {
    if (chinese.compare(i, 2, "{{") == 0 || chinese.compare(i, 2, "}}") == 0) {
      ++i;
    } else if (chinese[i] == '{') {
      const bool is_numbered = std::isdigit(static_cast<unsigned char>(chinese[i + 1])) != 0;
      numbers.insert(is_numbered ? static_cast<std::size_t>(chinese[i + 1] - '0') : places);
      ++places;
    }
  }
  const bool is_whole = numbers.size() == places && (places == 0 || *numbers.rbegin() + 1 == places);
  return is_whole ? places : 999;
}

// All literals of the source, what the system calls its errors, and what the parser of arguments says.
std::string EverythingSaid() {
  std::string said;
  for (const auto& entry : fs::recursive_directory_iterator(SHARDFS_TESTS_DIR "/../src")) {
    const std::string path = entry.path();
    if (!(path.ends_with(".cc") || path.ends_with(".h")) || path.find("/catalogue/") != std::string::npos) continue;
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    for (const std::string& literal : MessageLiterals(text)) said.append(PlainPattern(literal)).push_back('\0');
  }
  for (int error = 1; error <= EKEYREJECTED; ++error) said.append(std::strerror(error)).push_back('\0');
  for (const char* const one : {"The following argument was not expected", " is required", "Could not convert"}) {
    said.append(one).push_back('\0');
  }
  return said;
}

// One of the texts between the values is said, so that no entry outlives its message.
bool IsSaid(std::string_view pattern, const std::string& said) {
  constexpr std::size_t kTelling = 5;
  std::string_view longest;
  for (std::string_view rest = pattern; !rest.empty();) {
    const std::size_t end = std::min(rest.find("{}"), rest.size());
    std::string_view between = rest.substr(0, end);
    while (between.ends_with(' ') || between.ends_with(':')) between.remove_suffix(1);
    while (between.starts_with(' ') || between.starts_with(':')) between.remove_prefix(1);
    if (between.size() >= kTelling && said.find(between) != std::string::npos) return true;
    if (between.size() > longest.size()) longest = between;
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  return longest.size() < kTelling && said.find(longest) != std::string::npos;
}

TEST(MessageCatalogueTest, EntriesAreWellFormed) {
  const std::string said = EverythingSaid();
  std::set<std::string_view> seen;
  for (const CatalogueEntry& entry : MessageCatalogue()) {
    EXPECT_TRUE(seen.insert(entry.english).second) << "twice: " << entry.english;
    EXPECT_EQ(CountPlaces(entry.english), NumberPlaces(entry.chinese)) << entry.english;
    const bool has_remedy = entry.english.find("; ") != std::string_view::npos;
    EXPECT_EQ(has_remedy, entry.chinese.find("；") != std::string_view::npos) << entry.english;
    EXPECT_TRUE(IsSaid(entry.english, said)) << entry.english << " is said nowhere";
  }
}

// No entry hides another: a message of each is given back by its own.
TEST(MessageCatalogueTest, EveryEntryIsRecognised) {
  for (const CatalogueEntry& entry : MessageCatalogue()) {
    if (entry.english.find("{}{}") != std::string_view::npos) continue;  // where one value ends, its text says
    constexpr std::size_t kShortest = 5;                                 // less is recognised within others alone
    if (entry.english.size() - 2 * CountPlaces(entry.english) < kShortest) continue;
    std::string message(entry.english);
    fmt::dynamic_format_arg_store<fmt::format_context> values;
    for (std::size_t at = 0, i = 0; (at = message.find("{}", at)) != std::string::npos; ++i) {
      const bool is_ending = at > 0 && std::isalpha(static_cast<unsigned char>(message[at - 1])) != 0;
      const std::string value = is_ending ? "s" : fmt::format("'{}'", i);
      message.replace(at, 2, value);
      at += value.size();
      values.push_back(value);
    }
    EXPECT_EQ(TextOfMessage(message).chinese(), fmt::vformat(std::string(entry.chinese), values)) << message;
  }
}

TEST(MessageTextTest, KnowsMessagesByTheirPattern) {
  const auto chinese = [](const std::string& message) { return TextOf(Status::InvalidArgument(message)).chinese(); };
  EXPECT_EQ(chinese("the mountpoint /m does not exist; run mkdir -p /m"), "挂载点 /m 不存在；执行 mkdir -p /m");
  EXPECT_EQ(chinese("config.json: ModelConfig[0]: \"tp\" must be a whole number"),
            "config.json：ModelConfig[0]：\"tp\" 必须是整数");
  EXPECT_EQ(chinese("a.json: tp 2 * dp 2 * cp 1 = 4, but the world size is 8"),
            "a.json：tp 2 * dp 2 * cp 1 = 4，而 world size 为 8")
      << "behind the name of a file";
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
  EXPECT_EQ(
      TextOfMessage("mindie layout (as weight_sharder writes it) of deepseek_v3 (BF16, 5 layers and MTP, 16 "
                    "experts) for 2 ranks: dp 1, tp 2, moe_tp 1, moe_ep 2, sp 1, cp 1")
          .chinese(),
      "mindie 布局（与 weight_sharder 写出的相同），deepseek_v3（BF16，5 层及 MTP，16 个专家），2 个 rank：dp 1，tp 2，"
      "moe_tp 1，moe_ep 2，sp 1，cp 1");
}

TEST(MessageTextTest, PutsTogetherWhatIsMadeOfParts) {
  const auto chinese = [](const std::string& message) { return TextOf(Status::Corruption(message)).chinese(); };
  EXPECT_EQ(chinese("m.index.json names 2 files that are missing (a.safetensors among them); the huggingface layout "
                    "needs a true index: correct or remove it"),
            "m.index.json 列出 2 个文件，缺失（a.safetensors 等）；huggingface 布局要求索引正确：请修正或删除它");
  EXPECT_EQ(chinese("the checkpoint does not fit its config.json: a.weight is missing; b.weight is U8 [2] in x, but "
                    "config.json makes it U8 [3]; and at least 7 more"),
            "权重与其 config.json 不符：缺少 a.weight；b.weight 在 x 中为 U8 [2]，而按 config.json 应为 U8 [3]；另有 "
            "至少 7 处")
      << "each sentence of a list on its own";
  EXPECT_EQ(
      TextOfMessage("MindIE will refuse this model: \"num_experts_per_tok\" is -1 in config.json, and MindIE takes a "
                    "number from 1 to 128")
          .chinese(),
      "MindIE 会拒绝该模型：\"num_experts_per_tok\" 在 config.json 中为 -1，MindIE 只接受数字，取值范围 1 至 128");
  EXPECT_EQ(
      chinese("names 1 file that is missing ('c'); it maps 2 tensors that no header has ('x' to 'a' among them); it "
              "does not map 2 tensors that the files hold ('a' in 'b' among them)"),
      "列出 1 个文件，缺失（'c'）；把 2 个张量 映射到文件，而没有文件头含有它们（'x' 到 'a' 等）；没有映射文件中的 2 "
      "个张量（'a' 在 'b' "
      "等）");
  EXPECT_EQ(chinese("source '/a': \"moe_tp\" of b.json is -1, not a whole number between 1 and 8"),
            "source '/a'：b.json 的 \"moe_tp\" 为 -1，不是 1 到 8 之间的整数");
  EXPECT_EQ(chinese("bad-rule: split of layers must be even or ceil"), "bad-rule：layers 的 split 必须是 even 或 ceil");
  EXPECT_EQ(chinese("nothing uses 'a'; 'b': the engine's model has no such tensor; --drop leaves tensors out"),
            "没有用到 'a'; 'b'：推理引擎的模型中没有该张量；可用 --drop 略去张量");
  EXPECT_EQ(chinese("not-divisible: experts: 5 over ep 4"), "not-divisible：专家：5 个不能按 ep 4 切分");
  EXPECT_EQ(chinese("cannot open '/a: b': Permission denied"), "无法打开 '/a: b'：权限不够");
  EXPECT_EQ(chinese("a.safetensors: the header is not valid JSON at line 1, column 2 (byte 1): \"x\""),
            "a.safetensors：头部不是有效的 JSON，出错位置 第 1 行第 2 列（第 1 字节）：\"x\"");
  EXPECT_EQ(TextOfMessage("mindspore layout for 8 ranks: 1 stage of 8 devices each, 12 parameters").chinese(),
            "mindspore 布局，8 个 rank：1 个流水线阶段，每个阶段 8 个设备，12 个参数");
  EXPECT_EQ(TextOfMessage("2 weights merged at scaling 0.5, 1 bias added to by '/a'").chinese(),
            "由 '/a' 合并 2 个权重，缩放系数 0.5，1 个 bias 相加");
}

// A name that is made of what parts messages could be read in more ways than a lifetime has room for.
TEST(MessageTextTest, NamesOfSeparatorsAreReadForAMomentOnly) {
  for (const char* part : {"; ", ": ", " (", " or ", ", ", "a: b; ", "cannot open a: b; c ("}) {
    for (const std::size_t size : {std::size_t{300}, std::size_t{4000}, std::size_t{1} << 20}) {
      std::string name;
      while (name.size() < size) name += part;
      const std::string message = "x " + name + "{} is";
      EXPECT_EQ(TextOf(Status::Corruption(message)).english(), message) << part << " of " << size;
    }
  }
}

}  // namespace
}  // namespace shardfs
