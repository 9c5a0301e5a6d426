// The mindie layout against what the reference tool wrote: every file, every byte.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "layout/golden_case.h"
#include "layout/mindie/mindie_layout.h"

namespace shardfs::testing {
namespace {

Result<View> BuildCase(const GoldenCase& golden) {
  const Result<CheckpointPtr> checkpoint = OpenSource(golden.source);
  if (!checkpoint.ok()) return checkpoint.status();
  return BuildMindieView(*checkpoint, golden.options);
}

std::string ReadRange(const VirtualFile& file, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\xa5');
  const Status status = file.ReadAt(offset, std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(status.ok()) << status;
  return bytes;
}

// Where the first difference is, for a message that can be read.
void ExpectSameBytes(const std::string& actual, const std::string& expected, const std::string& path) {
  ASSERT_EQ(actual.size(), expected.size()) << path;
  const auto [a, e] = std::mismatch(actual.begin(), actual.end(), expected.begin());
  ASSERT_TRUE(a == actual.end()) << path << " differs at byte " << (a - actual.begin());
}

void ExpectFile(const VirtualFile& file, const std::string& path, const GoldenCase& golden) {
  const std::string expected = ReadFile(golden.expected / path);
  const std::string actual = ReadRange(file, 0, file.size());
  if (path == "model_sharded_metadata.json") {
    EXPECT_TRUE(SameMetadata(ParseJson(actual, path).value(), ParseJson(expected, path).value())) << actual;
    return;
  }
  ASSERT_NO_FATAL_FAILURE(ExpectSameBytes(actual, expected, path));
  std::mt19937_64 random(expected.size());
  for (int i = 0; i < 50 && !expected.empty(); ++i) {
    const std::uint64_t offset = random() % expected.size();
    const std::uint64_t size = 1 + random() % std::min<std::uint64_t>(5000, expected.size() - offset);
    ASSERT_EQ(ReadRange(file, offset, size), expected.substr(offset, size)) << path << " at " << offset << "+" << size;
  }
}

class MindieGolden : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(MindieGolden, EveryFileIsWhatTheReferenceWrote) {
  const GoldenCase& golden = GetParam();
  const auto result = BuildCase(golden);
  ASSERT_TRUE(result.ok()) << result.status();
  const VirtualTree& tree = *result->tree;
  std::set<std::string> shown;
  std::set<std::string> shown_folders;
  for (NodeId id = 1; id < tree.size(); ++id) {
    const std::string path = tree.PathOf(id);
    if (tree.node(id).is_directory()) {
      shown_folders.insert(path);
      continue;
    }
    shown.insert(path);
    ASSERT_NO_FATAL_FAILURE(ExpectFile(*tree.node(id).file, path, golden));
  }
  const auto expected_files = FilesBelow(golden.expected);
  EXPECT_EQ(shown, (std::set<std::string>(expected_files.begin(), expected_files.end())));
  std::set<std::string> expected_folders;
  for (const auto& entry : std::filesystem::directory_iterator(golden.expected)) {
    if (entry.is_directory()) expected_folders.insert(entry.path().filename());
  }
  EXPECT_EQ(shown_folders, expected_folders);
}

// What weight_sharder loses data on is refused.
std::vector<GoldenCase> SharderCases() {
  std::vector<GoldenCase> cases = GoldenCases("");
  std::erase_if(cases, [](const GoldenCase& golden) {
    return golden.name.starts_with("bf16_firstk1_") || golden.name.starts_with("bf16_ep3_");
  });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Sharder, MindieGolden, ::testing::ValuesIn(SharderCases()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Loader, MindieGolden, ::testing::ValuesIn(GoldenCases("", GoldenVariant::kLoader)),
                         [](const auto& test) { return test.param.name; });

TEST(MindieGoldenRefusals, MoeLayersThatWouldShareADenseFolderAreRefused) {
  for (const GoldenCase& golden : GoldenCases("bf16_firstk1_")) {
    const auto result = BuildCase(golden);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(ToExitCode(result.status().code()), 3);
    EXPECT_NE(result.status().message().find("first_k_dense_replace 1"), std::string_view::npos) << result.status();
  }
}

TEST(MindieGoldenRefusals, ExpertsThatDoNotDivideAreRefused) {
  for (const GoldenCase& golden : GoldenCases("bf16_ep3_")) {
    const auto result = BuildCase(golden);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(ToExitCode(result.status().code()), 2);
    EXPECT_NE(result.status().message().find("moe_ep is 3"), std::string_view::npos) << result.status();
    EXPECT_NE(result.status().message().find("16"), std::string_view::npos) << result.status();
  }
}

// What no directory can make MindIE's loader read right.
TEST(MindieGoldenRefusals, TheLoadersVariantIsRefusedWhereItCannotBeRight) {
  for (const auto& [name, reason] : {std::pair("bf16_ep3_dp3tp1", "moe_ep is 3"),
                                     std::pair("w8a8_fp16_fdeq_dp2tp2_mtp2ep2", "float deq_scale in an F16 model")}) {
    GoldenCase golden = FindGoldenCase(name);
    golden.options.layout_options["fidelity"] = "loader";
    const auto result = BuildCase(golden);
    ASSERT_FALSE(result.ok()) << name;
    EXPECT_NE(result.status().message().find(reason), std::string_view::npos) << result.status();
  }
}

// Where neither variant is asked for, the reference's bytes are shown only if they load right.
TEST(MindieGoldenRefusals, TheDefaultIsTheReferencesBytesOnlyWhereTheyLoadRight) {
  for (const auto& [name, shown] :
       {std::pair("mix_dp2tp2_mtp2ep2", true), std::pair("bf16_dp2tp2_mtp2ep2", true),
        std::pair("w8a8_qmtp_dp2tp2_mtp2ep2", true), std::pair("bf16_pad_dp1tp4_mtp2ep2", false),
        std::pair("w8a16_dp2tp2_mtp2ep2", false), std::pair("mix_anti_dp2tp2_mtp2ep2", false)}) {
    GoldenCase golden = FindGoldenCase(name);
    golden.options.layout_options.erase("fidelity");
    const auto result = BuildCase(golden);
    EXPECT_EQ(result.ok(), shown) << name << ": " << result.status();
    if (shown) continue;
    EXPECT_EQ(ToExitCode(result.status().code()), 2) << name;
    EXPECT_NE(result.status().message().find("\nGive -O fidelity=loader"), std::string_view::npos) << result.status();
  }
}

// Offsets are not zero in the golden sources: the first that is read is said, once.
TEST(MindieGoldenNotices, ANonzeroOffsetIsSaidOnceAndCounted) {
  GoldenCase golden = FindGoldenCase("mix_dp2tp2_mtp2ep2");
  std::vector<std::string> notices;
  golden.options.on_notice = [&](const std::string& notice) { notices.push_back(notice); };
  const auto result = BuildCase(golden);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->notices.at(0).reads->load(), 0u);
  for (const VirtualNode& node : result->tree->nodes()) {
    if (!node.is_directory()) ReadRange(*node.file, 0, node.file->size());
  }
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_NE(notices[0].find("weight_offset"), std::string::npos);
  EXPECT_GT(result->notices.at(0).reads->load(), 1u);
}

}  // namespace
}  // namespace shardfs::testing
