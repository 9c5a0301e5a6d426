#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/safetensors/header_bytes.h"

namespace shardfs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<Header> ParsedBack(const SerializedHeader& header) {
  return ParseHeader(std::as_bytes(std::span(header.bytes)), header.file_size, "test.safetensors");
}

TEST(SerializeHeaderTest, BytesAreThoseOfTheReferenceWriter) {
  const auto header = SerializeHeader({{"b", Dtype::kBF16, {2, 3}}, {"a", Dtype::kF32, {}}});
  ASSERT_TRUE(header.ok()) << header.status();
  const std::string json = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                           R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]}})";
  const std::string padded = json + std::string((8 - json.size() % 8) % 8, ' ');
  EXPECT_EQ(header->bytes, testing::HeaderBytes(padded));
  EXPECT_THAT(header->order, ElementsAre(1, 0));
  EXPECT_THAT(header->offsets, ElementsAre(8 + padded.size(), 8 + padded.size() + 4));
  EXPECT_EQ(header->file_size, 8 + padded.size() + 16);
}

TEST(SerializeHeaderTest, NoTensors) {
  const auto header = SerializeHeader({});
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->bytes, testing::HeaderBytes(R"({"__metadata__":{"format":"pt"}})"));
  EXPECT_EQ(header->file_size, 40u);
  EXPECT_TRUE(ParsedBack(*header).ok());
}

TEST(SerializeHeaderTest, MetadataAreThoseThatAreAskedFor) {
  const std::vector<NewTensor> tensors = {{"t", Dtype::kU8, {1}}};
  const std::string json = R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  const std::string padded = json + std::string((8 - json.size() % 8) % 8, ' ');
  const auto none = SerializeHeader(tensors, {});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->bytes, testing::HeaderBytes(padded));
  const FileMetadata metadata = {{"z", "a\"b"}, {"format", "np"}};
  const auto given = SerializeHeader(tensors, metadata);
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_THAT(given->bytes, HasSubstr(R"({"__metadata__":{"z":"a\"b","format":"np"},"t":)"));
  const auto parsed = ParsedBack(*given);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->metadata, metadata);
  const auto empty = SerializeHeader({}, {});
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->bytes, testing::HeaderBytes("{}      "));
}

TEST(SerializeHeaderTest, OrderIsByDtypeDescendingThenNameByBytes) {
  const auto header = SerializeHeader({{"i8", Dtype::kI8, {1}},
                                       {"f16", Dtype::kF16, {1}},
                                       {"bf16", Dtype::kBF16, {1}},
                                       {"i32", Dtype::kI32, {1}},
                                       {"f32", Dtype::kF32, {1}},
                                       {"i64", Dtype::kI64, {1}},
                                       {"layers.10", Dtype::kI64, {1}},
                                       {"layers.9", Dtype::kI64, {1}},
                                       {"\u00e9", Dtype::kI64, {1}},
                                       {"Z", Dtype::kI64, {1}}});
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_THAT(header->order, ElementsAre(9, 5, 6, 7, 8, 4, 3, 2, 1, 0));
}

TEST(SerializeHeaderTest, RoundTrip) {
  const std::vector<NewTensor> tensors = {{"scalar", Dtype::kF64, {}},
                                          {"empty", Dtype::kBF16, {0, 5}},
                                          {"matrix", Dtype::kBF16, {3, 5}},
                                          {"half byte", Dtype::kF4, {2, 3}},
                                          {"../odd \"name\"\\\n\x01\x7f\u00e9\U0001F600", Dtype::kU8, {7}},
                                          {"", Dtype::kBool, {1}}};
  const auto header = SerializeHeader(tensors);
  ASSERT_TRUE(header.ok()) << header.status();
  const auto parsed = ParsedBack(*header);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->tensors.size(), tensors.size());
  EXPECT_TRUE(parsed->data_aligned);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NewTensor& given = tensors[header->order[i]];
    const HeaderTensor& read = parsed->tensors[i];
    EXPECT_EQ(read.name, given.name);
    EXPECT_EQ(read.dtype, given.dtype);
    EXPECT_EQ(read.shape, given.shape);
    EXPECT_EQ(parsed->data_offset + read.begin, header->offsets[i]);
  }
  EXPECT_THAT(parsed->metadata, ElementsAre(std::pair<std::string, std::string>("format", "pt")));
}

TEST(SerializeHeaderTest, EscapesAsTheReferenceWriterDoes) {
  const auto header = SerializeHeader({{"\"\\\b\f\n\r\t\x01\x1f\x7f/\u00e9\u2028\U0001F600", Dtype::kU8, {0}}});
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_THAT(header->bytes, HasSubstr("\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\u00e9\u2028\U0001F600\":"));
}

TEST(SerializeHeaderTest, RefusesWhatTheReaderWouldRefuse) {
  const auto expect_refused = [](const std::vector<NewTensor>& tensors, const std::string& part) {
    const auto header = SerializeHeader(tensors);
    ASSERT_FALSE(header.ok()) << part;
    EXPECT_EQ(header.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(header.status().message()), HasSubstr(part));
  };
  const std::uint64_t large = std::uint64_t{1} << 47;
  expect_refused({{"t", Dtype::kU8, {1}}, {"t", Dtype::kI8, {1}}}, "'t' is given twice");
  expect_refused({{"__metadata__", Dtype::kU8, {1}}}, "reserved");
  expect_refused({{std::string(4097, 'n'), Dtype::kU8, {1}}}, "4097");
  expect_refused({{std::string("a\0b", 3), Dtype::kU8, {1}}}, "NUL");
  expect_refused({{"\xff", Dtype::kU8, {1}}}, "UTF-8");
  expect_refused({{"t", Dtype::kU8, Shape(17, 1)}}, "17 axes");
  expect_refused(std::vector<NewTensor>((1 << 20) + 1), "1048577 tensors");
  expect_refused({{"t", Dtype::kF4, {3}}}, "'t'");
  expect_refused({{"t", Dtype::kU8, {std::uint64_t{1} << 48, 0}}}, "'t'");
  expect_refused({{"t", Dtype::kU8, {large, large}}}, "'t'");
  expect_refused({{"t", Dtype::kU8, {large}}, {"u", Dtype::kU8, {large}}}, "'u'");
}

}  // namespace
}  // namespace shardfs
