#include "verify/checksum_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shardfs {
namespace {

using ::testing::HasSubstr;

const std::string kA(64, 'a');
const std::string kB(64, 'b');

TEST(ChecksumListTest, TakesEveryFormOfSha256sum) {
  const auto list = ChecksumList::Parse(
      kB + "  b/c d\n" + std::string(64, 'A') + " *./a\r\n\n\\" + kA + "  x\\ny\\\\z\nSHA256 (tag (1)) = " + kB + "\n",
      "list");
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->entries.size(), 4u);
  EXPECT_EQ(list->Find("a")->sha256, kA);
  EXPECT_EQ(list->Find("b/c d")->sha256, kB);
  EXPECT_EQ(list->Find("x\ny\\z")->sha256, kA);
  EXPECT_EQ(list->Find("tag (1)")->sha256, kB);
  EXPECT_EQ(list->Find("c"), nullptr);
}

TEST(ChecksumListTest, ReadsWhatItWrites) {
  const ChecksumList list{{{"a\\b", kA}, {"c\nd", kB}, {"plain name", kA}}};
  const std::string text = list.Serialize();
  EXPECT_EQ(text, "\\" + kA + "  a\\\\b\n\\" + kB + "  c\\nd\n" + kA + "  plain name\n");
  const auto again = ChecksumList::Parse(text, "list");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->Serialize(), text);
}

TEST(ChecksumListTest, RefusesWhatIsNoManifest) {
  const auto refusal = [](const std::string& text) {
    const auto list = ChecksumList::Parse(text, "'m'");
    EXPECT_FALSE(list.ok()) << text;
    EXPECT_EQ(list.status().code(), StatusCode::kInvalidArgument);
    return std::string(list.status().message());
  };
  EXPECT_THAT(refusal(kA + "  a\nhello\n"), HasSubstr("line 2 of 'm'"));
  EXPECT_THAT(refusal(std::string(40, 'a') + "  a\n"), HasSubstr("not one of sha256sum"));
  EXPECT_THAT(refusal(kA + " a\n"), HasSubstr("not one of sha256sum"));
  EXPECT_THAT(refusal(kA + "  /etc/passwd\n"), HasSubstr("no path below"));
  EXPECT_THAT(refusal(kA + "  ../a\n"), HasSubstr("no path below"));
  EXPECT_THAT(refusal(kA + "  a\n" + kB + "  a\n"), HasSubstr("two digests"));
  EXPECT_THAT(refusal("\n"), HasSubstr("names no file"));
}

}  // namespace
}  // namespace shardfs
