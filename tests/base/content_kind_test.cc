#include "base/content_kind.h"

#include <gtest/gtest.h>

#include <string>

namespace shardfs {
namespace {

using std::string_literals::operator""s;

ContentKind KindOf(const std::string& bytes) { return RecogniseContent(bytes, bytes.size()); }

TEST(ContentKindTest, TellsEachKindByItsFirstBytes) {
  EXPECT_EQ(KindOf(""), ContentKind::kEmpty);
  EXPECT_EQ(KindOf(std::string(9, '\0')), ContentKind::kZeros);
  EXPECT_EQ(KindOf("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"), ContentKind::kGitLfsPointer);
  for (const char* page :
       {"<!DOCTYPE html>", "<!doctype HTML>", "<html lang=en>", "\r\n  <HTML>", "\xEF\xBB\xBF<html>"}) {
    EXPECT_EQ(KindOf(page), ContentKind::kHtml) << page;
  }
  EXPECT_EQ(KindOf("<?xml version=\"1.0\"?><Error/>"), ContentKind::kXml);
  EXPECT_EQ(KindOf("PK\3\4 archive/data.pkl"), ContentKind::kZip);
  EXPECT_EQ(KindOf("\x80\2\x8a\nl\xfc\x9c"s), ContentKind::kPickle);
  EXPECT_EQ(KindOf("\x80\4\x95"s + std::string(20, 'x')), ContentKind::kPickle);
  EXPECT_EQ(KindOf("GGUF\3\0\0\0"s), ContentKind::kGguf);
  EXPECT_EQ(KindOf("\x89HDF\r\n\x1a\n"), ContentKind::kHdf5);
  EXPECT_EQ(KindOf("\x93NUMPY\1"), ContentKind::kNumpy);
  EXPECT_EQ(KindOf("\x1f\x8b\x08 gzip"), ContentKind::kCompressed);
  EXPECT_EQ(KindOf("\xfd"
                   "7zXZ\0"s),
            ContentKind::kCompressed);
  EXPECT_EQ(KindOf("\xff\xfe{\0}\0"s), ContentKind::kUtf16);
  std::string tar = "model.safetensors";
  tar.resize(257);
  EXPECT_EQ(KindOf(tar + "ustar\0"s + std::string(300, 'x')), ContentKind::kTar);
  EXPECT_EQ(KindOf(" {\"a\": 1}"), ContentKind::kJson);
  EXPECT_EQ(KindOf("Entry not found"), ContentKind::kText);
  EXPECT_EQ(KindOf(std::string(600, 'x')), ContentKind::kUnknown);
  EXPECT_EQ(KindOf("\1\2\3\4\5\6\7\x8f\x90"), ContentKind::kUnknown);
}

TEST(ContentKindTest, TellsAProtobufByItsFirstName) {
  EXPECT_EQ(KindOf("\x0a\x30\x0a\x0dmodel.embed.w\x12\x20"s + std::string(40, 'x')), ContentKind::kProtobuf);
  EXPECT_EQ(KindOf("\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\2"s), ContentKind::kProtobuf);
  EXPECT_NE(KindOf("\x0a\x03\x0a\x05<unk>"s), ContentKind::kProtobuf) << "the name is longer than what holds it";
  EXPECT_NE(KindOf("\x0a"s), ContentKind::kProtobuf);
}

TEST(ContentKindTest, ASmallHeaderIsNoPickle) {
  const std::string header = "\x80\2\0\0\0\0\0\0{\"t\":"s + std::string(700, ' ');
  EXPECT_EQ(KindOf(header), ContentKind::kSafetensors);
  EXPECT_FALSE(IsForeign(ContentKind::kSafetensors, ContentKind::kSafetensors));
  EXPECT_TRUE(IsForeign(ContentKind::kSafetensors, ContentKind::kJson));
}

TEST(ContentKindTest, TextIsForeignToShardsAlone) {
  EXPECT_TRUE(IsForeign(ContentKind::kText, ContentKind::kSafetensors));
  EXPECT_FALSE(IsForeign(ContentKind::kText, ContentKind::kJson)) << "it may be JSON with a mistake";
  EXPECT_FALSE(IsForeign(ContentKind::kUnknown, ContentKind::kJson));
}

TEST(ContentKindTest, EveryKindIsDescribed) {
  for (int kind = 1; kind <= static_cast<int>(ContentKind::kText); ++kind) {
    EXPECT_FALSE(DescribeContentKind(static_cast<ContentKind>(kind)).empty()) << kind;
  }
  EXPECT_NE(DescribeContentKind(ContentKind::kGitLfsPointer).find("git lfs pull"), std::string_view::npos);
}

}  // namespace
}  // namespace shardfs
