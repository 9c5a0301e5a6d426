// One test a rule of the header (TRUST section 2): the code, and that the message names the file, the tensor and what
// disagrees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/safetensors/header_bytes.h"
#include "tools/processor_time.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;
using testing::LeastSeconds;
using testing::Parse;

void ExpectRefused(const Result<Header>& header, StatusCode code, const std::vector<std::string>& parts) {
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(header.status().code(), code) << header.status();
  const std::string message(header.status().message());
  EXPECT_THAT(message, HasSubstr("'test.safetensors': "));
  EXPECT_LT(message.size(), 1000u);
  for (const std::string& part : parts) EXPECT_THAT(message, HasSubstr(part));
}

void ExpectCorrupt(std::string_view json, std::uint64_t data_size, const std::vector<std::string>& parts) {
  ExpectRefused(Parse(json, data_size), StatusCode::kCorruption, parts);
}

// {"t":<entry>}
std::string Tensor(const std::string& entry) { return "{\"t\":" + entry + "}"; }

Result<Header> ParseBytes(std::string_view bytes, std::uint64_t file_size) {
  return ParseHeader(std::as_bytes(std::span(bytes)), file_size, "test.safetensors");
}

TEST(HeaderRefusalTest, FileShorterThanTheLength) {
  ExpectRefused(ParseBytes("", 0), StatusCode::kCorruption, {"0 bytes", "8"});
  ExpectRefused(ParseBytes("1234567", 7), StatusCode::kCorruption, {"7 bytes", "8"});
}

TEST(HeaderRefusalTest, LengthAboveTheLimit) {
  std::string bytes = testing::HeaderBytes("{}");
  bytes[3] = 0x06;  // 6 * 2^24 = 100,663,296, and 2 bytes
  ExpectRefused(ParseBytes(bytes, std::uint64_t{1} << 40), StatusCode::kCorruption, {"100663298", "100000000"});
  bytes.assign(16, '\xff');
  ExpectRefused(ParseBytes(bytes, 16), StatusCode::kCorruption, {"18446744073709551615", "100000000"});
}

TEST(HeaderRefusalTest, LengthBeyondTheFile) {
  std::string bytes = testing::HeaderBytes("{}");
  bytes[0] = 3;
  ExpectRefused(ParseBytes(bytes, 10), StatusCode::kCorruption, {"3 bytes", "10 bytes", "truncated"});
}

TEST(HeaderRefusalTest, BeginsWithAnythingButABrace) {
  ExpectCorrupt("", 0, {"empty"});
  ExpectCorrupt(" {}", 0, {"0x20", "'{'"});
  ExpectCorrupt("[]", 0, {"0x5b", "'{'"});
  ExpectCorrupt("\xEF\xBB\xBF{}", 0, {"0xef"});
}

TEST(HeaderRefusalTest, PaddedWithAnythingButSpaces) {
  ExpectCorrupt("{}\n", 0, {"0x0a", "'}'"});
  ExpectCorrupt("{} x", 0, {"0x78"});
  ExpectCorrupt("{}{}", 0, {"byte 3"});
  ExpectCorrupt(std::string_view("{}\0\0", 4), 0, {"0x00"});
  ExpectCorrupt(std::string_view("{}\0{}", 5), 0, {"NUL at line 1, column 3 (byte 3)"});
}

TEST(HeaderRefusalTest, NotJson) {
  ExpectCorrupt("{\"a\"}", 0, {"not valid JSON", "byte 5"});
  ExpectCorrupt("{\"a\":}", 0, {"the header is not valid JSON at line 1, column 6 (byte 6): '}'"});
  ExpectCorrupt("{\"__metadata__\":{}", 0, {"the header is not valid JSON: it ends, unfinished, at line 1, column 19"});
}

TEST(HeaderRefusalTest, NotUtf8) {
  ExpectCorrupt(Tensor("\xff}"), 0, {"not valid JSON at line 1, column 6"});  // no text at all outside of a string
  ExpectCorrupt("{\"\xc0\xaf\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
                {"the header is not valid UTF-8 at line 1, column 3"});
  ExpectCorrupt("{\"\\ud800\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0,
                {"half of a surrogate pair"});
}

TEST(HeaderRefusalTest, DuplicateTensor) {
  ExpectCorrupt(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"u":{"dtype":"U8","shape":[1],)"
                R"("data_offsets":[1,2]},"t":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                3, {"'t'", "twice"});
}

TEST(HeaderRefusalTest, DuplicateTensorUnderAnotherSpelling) {
  ExpectCorrupt(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("\u0074":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                2, {"'t'", "twice"});
}

TEST(HeaderRefusalTest, DuplicateKeyInATensor) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]})"), 0,
                {"'t'", "dtype", "twice"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]})"), 0, {"'t'", "shape", "twice"});
  ExpectCorrupt(Tensor(R"({"data_offsets":[0,0],"dtype":"U8","shape":[0],"data_offsets":[0,0]})"), 0,
                {"'t'", "data_offsets", "twice"});
}

TEST(HeaderRefusalTest, DuplicateMetadata) {
  ExpectCorrupt(R"({"__metadata__":{},"__metadata__":{}})", 0, {"__metadata__", "twice"});
  ExpectCorrupt(R"({"__metadata__":null,"__metadata__":{}})", 0, {"__metadata__", "twice"});
  ExpectCorrupt(R"({"__metadata__":{"k":"1","k":"2"}})", 0, {"__metadata__", "'k'", "twice"});
}

TEST(HeaderRefusalTest, MetadataOtherThanStrings) {
  ExpectCorrupt(R"({"__metadata__":{"k":1}})", 0, {"__metadata__", "'k'", "1", "string"});
  ExpectCorrupt(R"({"__metadata__":{"k":null}})", 0, {"__metadata__", "'k'", "null"});
  ExpectCorrupt(R"({"__metadata__":{"k":{}}})", 0, {"__metadata__", "'k'", "an object"});
  ExpectCorrupt(R"({"__metadata__":[]})", 0, {"__metadata__", "an array"});
  ExpectCorrupt(R"({"__metadata__":"pt"})", 0, {"__metadata__", "a string"});
}

TEST(HeaderRefusalTest, NullElsewhere) {
  ExpectCorrupt(R"({"t":null})", 0, {"'t'", "null", "object"});
  ExpectCorrupt(R"({"__metadata__":null,"t":null})", 0, {"'t'", "null", "object"});
}

TEST(HeaderRefusalTest, TooMuchMetadata) {
  std::string json = R"({"__metadata__":{"0":"")";
  for (int i = 1; i <= 65536; ++i) json += ",\"" + std::to_string(i) + "\":\"\"";
  ExpectRefused(Parse(json + "}}", 0), StatusCode::kNotSupported, {"__metadata__", "65536"});
}

TEST(HeaderRefusalTest, EntryThatIsNoObject) {
  ExpectCorrupt(Tensor("1"), 0, {"'t'", "1", "object"});
  ExpectCorrupt(Tensor("[]"), 0, {"'t'", "array"});
  ExpectCorrupt(Tensor("true"), 0, {"'t'", "boolean"});
}

TEST(HeaderRefusalTest, NestingTooDeep) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[[0]],"data_offsets":[0,0]})"), 0, {"'t'", "shape", "array"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[{}],"data_offsets":[0,0]})"), 0, {"'t'", "shape", "object"});
  ExpectCorrupt(Tensor(R"({"dtype":{},"shape":[0],"data_offsets":[0,0]})"), 0, {"'t'", "dtype", "object"});
  ExpectCorrupt("{\"t\":" + std::string(1'000'000, '[') + "}", 0, {"'t'", "array"});
}

TEST(HeaderRefusalTest, NumbersThatAreNotSmallNonNegativeIntegers) {
  const auto shape = [](const std::string& number) {
    return Tensor(R"({"dtype":"U8","shape":[)" + number + R"(],"data_offsets":[0,0]})");
  };
  for (const char* number : {"-1", "1e3", "1.0", "0.0", "-0.5", "281474976710656", "18446744073709551615",
                             "18446744073709551616", "-9223372036854775809", "1E0"}) {
    ExpectCorrupt(shape(number), 0, {"'t'", "shape", number, "2^48-1"});
  }
  ExpectCorrupt(shape("-0"), 0, {"'t'", "shape"});
  ExpectCorrupt(shape("1e999"), 0, {"not valid JSON: a number is too large"});
  ExpectCorrupt(shape("01"), 0, {"not valid JSON"});
  ExpectCorrupt(shape("\"1\""), 0, {"'t'", "shape", "string"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[0],"data_offsets":[-1,0]})"), 0, {"'t'", "data_offsets", "-1"});
}

TEST(HeaderRefusalTest, UnknownDtypeIsNotSupported) {
  ExpectRefused(Parse(Tensor(R"({"dtype":"F8_E3M4","shape":[0],"data_offsets":[0,0]})"), 0), StatusCode::kNotSupported,
                {"'t'", "'F8_E3M4'"});
  ExpectCorrupt(Tensor(R"({"dtype":7,"shape":[0],"data_offsets":[0,0]})"), 0, {"'t'", "dtype", "7", "string"});
}

TEST(HeaderRefusalTest, RankAboveTheLimit) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]})"), 1,
                {"'t'", "16"});
}

TEST(HeaderRefusalTest, NameAboveTheLimit) {
  ExpectCorrupt("{\"" + std::string(4097, 'n') + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0,
                {"'nnn", "4097", "4096"});
}

TEST(HeaderRefusalTest, NameWithNul) {
  ExpectCorrupt(R"({"a\u0000b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, {"'a\\x00b'", "NUL"});
}

TEST(HeaderRefusalTest, UnknownKey) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[0],"data_offsets":[0,0],"extra":1})"), 0, {"'t'", "'extra'"});
}

TEST(HeaderRefusalTest, MissingKey) {
  ExpectCorrupt(Tensor("{}"), 0, {"'t'", "no dtype"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","data_offsets":[0,0]})"), 0, {"'t'", "no shape"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[0]})"), 0, {"'t'", "no data_offsets"});
}

TEST(HeaderRefusalTest, OffsetsThatAreNotTwo) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[0],"data_offsets":[0]})"), 0, {"'t'", "data_offsets", "1 numbers"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[0],"data_offsets":[]})"), 0, {"'t'", "data_offsets", "0 numbers"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[0],"data_offsets":[0,0,0]})"), 0, {"'t'", "more than 2"});
}

TEST(HeaderRefusalTest, EndBeforeBegin) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[2],"data_offsets":[2,0]})"), 2, {"'t'", "end at 0", "begin at 2"});
}

TEST(HeaderRefusalTest, SizeThatIsNotShapeTimesDtype) {
  ExpectCorrupt(Tensor(R"({"dtype":"F32","shape":[2,3],"data_offsets":[0,23]})"), 23, {"'t'", "24 bytes", "span 23"});
  ExpectCorrupt(Tensor(R"({"dtype":"F32","shape":[],"data_offsets":[0,0]})"), 0, {"'t'", "4 bytes", "span 0"});
}

TEST(HeaderRefusalTest, ProductThatWrapsToASmallSize) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]})"), 0,
                {"'t'", "[4294967296, 4294967296]", "64 bits"});
  ExpectCorrupt(Tensor(R"({"dtype":"F64","shape":[4294967296,67108864,8],"data_offsets":[0,0]})"), 0,
                {"'t'", "64 bits"});
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[281474976710655,281474976710655,0],"data_offsets":[0,0]})"), 0,
                {"'t'", "64 bits"});
}

TEST(HeaderRefusalTest, BitsThatAreNotWholeBytes) {
  ExpectCorrupt(Tensor(R"({"dtype":"F4","shape":[3],"data_offsets":[0,2]})"), 2, {"'t'", "12 bits"});
  ExpectCorrupt(Tensor(R"({"dtype":"F6_E3M2","shape":[1],"data_offsets":[0,1]})"), 1, {"'t'", "6 bits"});
}

TEST(HeaderRefusalTest, DataThatDoNotBeginAtZero) {
  ExpectCorrupt(Tensor(R"({"dtype":"U8","shape":[2],"data_offsets":[1,3]})"), 3, {"'t'", "offset 1", "at 0", "hole"});
}

TEST(HeaderRefusalTest, Hole) {
  ExpectCorrupt(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],)"
                R"("data_offsets":[4,6]}})",
                6, {"'b'", "offset 4", "'a'", "at 2", "a hole of 2 bytes"});
}

TEST(HeaderRefusalTest, Overlap) {
  ExpectCorrupt(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],)"
                R"("data_offsets":[3,5]}})",
                5, {"'b'", "offset 3", "'a'", "at 4", "an overlap of 1 bytes"});
  ExpectCorrupt(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],)"
                R"("data_offsets":[2,2]}})",
                4, {"'b'", "offset 2", "'a'", "an overlap"});
}

TEST(HeaderRefusalTest, TruncatedFile) {
  const std::string json = Tensor(R"({"dtype":"U8","shape":[10],"data_offsets":[0,10]})");
  const std::string size = std::to_string(8 + json.size() + 10);
  ExpectCorrupt(json, 9, {std::to_string(8 + json.size() + 9), size, "truncated"});
}

TEST(HeaderRefusalTest, TrailingBytes) {
  const std::string json = Tensor(R"({"dtype":"U8","shape":[10],"data_offsets":[0,10]})");
  ExpectCorrupt(json, 11, {std::to_string(8 + json.size() + 11), std::to_string(8 + json.size() + 10), "follow"});
  ExpectCorrupt("{}", 1, {"11 bytes", "describes 10"});
}

TEST(HeaderRefusalTest, NamesInMessagesCannotSteerATerminal) {
  const auto header = Parse(R"({"\u001b[2J\n":{"dtype":"?","shape":[0],"data_offsets":[0,0]}})", 0);
  ExpectRefused(header, StatusCode::kNotSupported, {"'\\x1b[2J\\x0a'"});
}

// As soon as a header of as many tensors is read that do not overlap.
TEST(HeaderRefusalTest, ManyOverlappingTensorsAreRefusedSoon) {
  constexpr int kCount = 200'000;
  std::string overlapping = "{";
  std::string apart = "{";
  for (int i = 0; i < kCount; ++i) {
    const std::string entry = "\"" + std::to_string(i) + R"(":{"dtype":"U8","shape":[9],"data_offsets":[)";
    overlapping += entry + "0,9]},";
    apart += entry + std::to_string(i * 9) + "," + std::to_string(i * 9 + 9) + "]},";
  }
  overlapping.back() = apart.back() = '}';
  const double refused = LeastSeconds(CLOCK_THREAD_CPUTIME_ID, 3, [&] { ExpectCorrupt(overlapping, 9, {"overlap"}); });
  const double read = LeastSeconds(CLOCK_THREAD_CPUTIME_ID, 3, [&] { EXPECT_TRUE(Parse(apart, kCount * 9).ok()); });
  EXPECT_LT(refused, 4 * read);
}

TEST(HeaderRefusalTest, AnEndlessStringIsRefusedWithoutReadingIt) {
  ExpectRefused(Parse("{\"" + std::string(20'000'000, 'a') + "}", 0), StatusCode::kNotSupported, {"20000"});
}

}  // namespace
}  // namespace shardfs
