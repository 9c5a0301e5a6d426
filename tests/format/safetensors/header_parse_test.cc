#include <gtest/gtest.h>

#include "format/safetensors/header_bytes.h"

namespace shardfs {
namespace {

using testing::Parse;

TEST(ParseHeaderTest, ReadsTensorsInDataOrder) {
  const auto header = Parse(R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                            R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
                            16);
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[0].dtype, Dtype::kF32);
  EXPECT_EQ(header->tensors[1].name, "b");
  EXPECT_EQ(header->tensors[1].dtype, Dtype::kBF16);
  EXPECT_EQ(header->tensors[1].shape, (Shape{2, 3}));
  EXPECT_EQ(header->tensors[1].begin, 4u);
  EXPECT_EQ(header->tensors[1].end, 16u);
}

TEST(ParseHeaderTest, KeysOfAnEntryMayStandInAnyOrderWithWhiteSpace) {
  const auto header = Parse("{ \"a\" : {\n\"data_offsets\": [0, 2],\t\"shape\": [1], \"dtype\": \"F16\"} }", 2);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->tensors[0].shape, Shape{1});
}

TEST(ParseHeaderTest, KeepsMetadataInDocumentOrder) {
  const auto header = Parse(R"({"__metadata__":{"format":"pt","a":"\u00e9"}})", 0);
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->metadata.size(), 2u);
  EXPECT_EQ(header->metadata[0], (std::pair<std::string, std::string>("format", "pt")));
  EXPECT_EQ(header->metadata[1], (std::pair<std::string, std::string>("a", "\u00e9")));
}

TEST(ParseHeaderTest, NullMetadataAreNone) {
  const auto header = Parse(R"({"__metadata__":null,"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", 2);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_TRUE(header->metadata.empty());
  ASSERT_EQ(header->tensors.size(), 1u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_TRUE(Parse(R"({"__metadata__":null})", 0).ok());
}

TEST(ParseHeaderTest, EmptyHeaderIsAnEmptyFile) {
  const auto header = Parse("{}", 0);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_TRUE(header->tensors.empty());
  EXPECT_EQ(header->data_offset, 10u);
}

TEST(ParseHeaderTest, SpacesMayPadTheHeader) {
  const auto header = Parse("{}      ", 0);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->data_offset, 16u);
  EXPECT_TRUE(header->data_aligned);
}

TEST(ParseHeaderTest, UnalignedDataAreToldNotRefused) {
  for (std::size_t padding = 0; padding < 9; ++padding) {
    const auto header = Parse("{}" + std::string(padding, ' '), 0);
    ASSERT_TRUE(header.ok()) << header.status();
    EXPECT_EQ(header->data_aligned, padding == 6) << "the data begin at byte " << header->data_offset;
  }
}

TEST(ParseHeaderTest, ScalarsAndEmptyTensors) {
  const auto header = Parse(R"({"empty":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                            R"("scalar":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                            R"("also":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}})",
                            8);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->tensors[0].name, "empty");
  EXPECT_EQ(header->tensors[1].shape, Shape{});
  EXPECT_EQ(header->tensors[2].name, "also");
}

TEST(ParseHeaderTest, ElementsOfLessThanAByte) {
  const auto header = Parse(R"({"f4":{"dtype":"F4","shape":[6],"data_offsets":[0,3]},)"
                            R"("f6":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[3,6]}})",
                            6);
  EXPECT_TRUE(header.ok()) << header.status();
}

TEST(ParseHeaderTest, NamesAreDataAndMayLookLikePaths) {
  const auto header = Parse(R"({"../../etc/passwd":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                            R"("":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                            2);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->tensors[0].name, "../../etc/passwd");
}

TEST(ParseHeaderTest, LimitsThemselvesAreAllowed) {
  const std::string name(4096, 'n');
  const auto header =
      Parse("{\"" + name + R"(":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,2]}})", 2);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->tensors[0].shape.size(), 16u);
}

TEST(ParseHeaderTest, TheLargestSizeIsAllowed) {
  const auto header =
      Parse(R"({"a":{"dtype":"U8","shape":[281474976710655],"data_offsets":[0,281474976710655]}})", 281474976710655);
  EXPECT_TRUE(header.ok()) << header.status();
}

TEST(ParseHeaderTest, BytesMustBeTheWholeHeader) {
  const std::string bytes = testing::HeaderBytes("{}      ");
  const auto header = ParseHeader(std::as_bytes(std::span(bytes)).first(12), bytes.size(), "test.safetensors");
  EXPECT_EQ(header.status().code(), StatusCode::kInvalidArgument);
}

TEST(HeaderExtentTest, CountsThePrefix) {
  const std::string bytes = testing::HeaderBytes("{}      ");
  const auto extent = HeaderExtent(std::as_bytes(std::span(bytes)).first(8), bytes.size());
  ASSERT_TRUE(extent.ok());
  EXPECT_EQ(*extent, 16u);
}

}  // namespace
}  // namespace shardfs
