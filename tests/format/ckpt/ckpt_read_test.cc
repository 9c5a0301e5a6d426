#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "format/ckpt/ckpt_forms.h"
#include "shardfs/format/ckpt/ckpt.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

Result<CkptContent> Read(const std::string& bytes) {
  const MemorySource source = SourceOf(bytes);
  return ReadCkpt(source);
}

// The content of a tensor, its chunks joined.
std::string ContentOf(const std::string& file, const CkptContent& content, std::size_t tensor) {
  std::string joined;
  for (std::uint32_t i = 0; i < content.tensors[tensor].chunks; ++i) {
    const FileRange& chunk = content.chunks[content.tensors[tensor].first_chunk + i];
    joined += file.substr(chunk.offset, chunk.size);
  }
  return joined;
}

void ExpectRefused(const std::string& bytes, const std::string& why, StatusCode code = StatusCode::kCorruption) {
  const auto content = Read(bytes);
  ASSERT_FALSE(content.ok()) << why;
  EXPECT_EQ(content.status().code(), code) << content.status();
  EXPECT_THAT(std::string(content.status().message()), HasSubstr(why));
  EXPECT_THAT(std::string(content.status().message()), HasSubstr("'memory'"));
}

TEST(CkptRead, GivesTensorsInFileOrderWithTheirPlaces) {
  const std::string file =
      EntryOf("b.weight", {2, 3}, "Float32", std::string(24, 'b')) + EntryOf("a.bias", {2}, "Int8", "xy");
  const auto content = Read(file);
  ASSERT_TRUE(content.ok()) << content.status();
  ASSERT_EQ(content->tensors.size(), 2u);
  EXPECT_EQ(content->tensors[0].name, "b.weight");
  EXPECT_EQ(content->tensors[0].dtype, Dtype::kF32);
  EXPECT_EQ(content->tensors[0].shape, (Shape{2, 3}));
  EXPECT_EQ(ContentOf(file, *content, 0), std::string(24, 'b'));
  EXPECT_EQ(ContentOf(file, *content, 1), "xy");
  EXPECT_EQ(content->size, file.size());
  EXPECT_FALSE(content->crc);
}

TEST(CkptRead, KnowsEachTypeAndNoOther) {
  const std::vector<std::tuple<std::string, Dtype, std::size_t>> types = {
      {"Bool", Dtype::kBool, 1},   {"Int8", Dtype::kI8, 1},       {"UInt8", Dtype::kU8, 1},
      {"Int16", Dtype::kI16, 2},   {"UInt16", Dtype::kU16, 2},    {"Int32", Dtype::kI32, 4},
      {"UInt32", Dtype::kU32, 4},  {"Int64", Dtype::kI64, 8},     {"UInt64", Dtype::kU64, 8},
      {"Float16", Dtype::kF16, 2}, {"BFloat16", Dtype::kBF16, 2}, {"Float32", Dtype::kF32, 4},
      {"Float64", Dtype::kF64, 8}, {"Int4", Dtype::kI8, 1}};
  for (const auto& [name, dtype, size] : types) {
    const auto content = Read(EntryOf("t", {3}, name, std::string(3 * size, '\1')));
    ASSERT_TRUE(content.ok()) << content.status();
    EXPECT_EQ(content->tensors[0].dtype, dtype) << name;
    EXPECT_EQ(content->tensors[0].is_int4, name == "Int4");
  }
  for (const std::string name : {"Float8E4M3FN", "HiFloat8", "Complex64", "float32", "random_op", ""}) {
    ExpectRefused(EntryOf("t", {1}, name, "1234"), "is none that MindSpore loads", StatusCode::kNotSupported);
  }
}

TEST(CkptRead, JoinsChunksAndTakesScalarsOfEitherSpelling) {
  const std::string file = EntryOf("t", {2, 2}, "Int16", "abc") + EntryOf("t", {2, 2}, "Int16", "") +
                           EntryOf("t", {2, 2}, "Int16", "defgh") + EntryOf("old", {0}, "Float32", "1234") +
                           EntryOf("new", {}, "Float32", "5678") + EntryOf("none", {0, 4}, "Int8", "");
  const auto content = Read(file);
  ASSERT_TRUE(content.ok()) << content.status();
  ASSERT_EQ(content->tensors.size(), 4u);
  EXPECT_EQ(ContentOf(file, *content, 0), "abcdefgh");
  EXPECT_EQ(content->tensors[1].shape, Shape{});
  EXPECT_EQ(content->tensors[2].shape, Shape{});
  EXPECT_EQ(content->tensors[3].shape, (Shape{0, 4}));
  EXPECT_EQ(content->tensors[3].chunks, 0u);
}

TEST(CkptRead, SeesBf16HeldAsFloat32ByItsSize) {
  const auto wide = Read(EntryOf("t", {3}, "BFloat16", std::string(12, '\0')));
  ASSERT_TRUE(wide.ok()) << wide.status();
  EXPECT_TRUE(wide->tensors[0].is_wide);
  const auto narrow = Read(EntryOf("t", {3}, "BFloat16", std::string(6, '\0')));
  ASSERT_TRUE(narrow.ok());
  EXPECT_FALSE(narrow->tensors[0].is_wide);
  const auto halves = Read(EntryOf("t", {2}, "BFloat16", std::string("\0\0ab", 4)) +
                           EntryOf("t", {2}, "BFloat16", std::string("\0\0cd", 4)));
  ASSERT_TRUE(halves.ok()) << halves.status();
  EXPECT_TRUE(halves->tensors[0].is_wide);
  ExpectRefused(EntryOf("t", {2}, "BFloat16", "abcd") + EntryOf("t", {2}, "BFloat16", "abcd"), "stands twice");
  ExpectRefused(EntryOf("t", {3}, "Float16", std::string(12, '\0')), "needs 6 bytes, and its content has 12");
}

TEST(CkptRead, TakesFieldsInAnyOrderPackedDimsUnknownFieldsAndLongNumbers) {
  const std::string unknown = Varint(9 << 3) + Varint(7) + Varint(10 << 3 | 1) + "12345678" + Varint(11 << 3 | 5) +
                              "1234" + Field(12, "skipped");
  const std::string long_one = "\x81\x80\x80\x80\x80\x80\x80\x80\x80" + std::string(1, '\0');  // 1, in 10 bytes
  const std::string message = Field(3, "abcdef") + unknown + Field(1, Varint(3) + long_one) + Field(2, "Int16");
  const std::string file = unknown + Field(1, unknown + Field(2, message) + unknown + Field(1, "t")) + unknown;
  const auto content = Read(Field(1, Field(1, "first") + Field(2, TensorMessageOf({}, "Int8", "x"))) + file);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->tensors[1].shape, (Shape{3, 1}));
  EXPECT_EQ(content->tensors[1].dtype, Dtype::kI16);
}

TEST(CkptRead, CutsTheTrailerAlwaysAndComparesItOnRequest) {
  const std::string body = EntryOf("t", {3}, "Int8", "abc");
  const auto sum = static_cast<std::uint32_t>(
      ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
  std::string trailer = "crc_num" + std::string(6, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) trailer += static_cast<char>(sum >> shift);
  const MemorySource right = SourceOf(body + trailer);
  const auto content = ReadCkpt(right);
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(content->crc, sum);
  EXPECT_EQ(content->size, body.size());
  EXPECT_TRUE(CheckCkptCrc(right, *content).ok());
  std::string changed = body + trailer;
  changed[body.size() - 1] ^= 1;
  const MemorySource wrong = SourceOf(changed);
  EXPECT_EQ(CheckCkptCrc(wrong, *ReadCkpt(wrong)).code(), StatusCode::kCorruption);
  ExpectRefused(trailer, "it holds no parameter");
  trailer[7] = '\1';
  ExpectRefused(body + trailer, "crc trailer");
}

TEST(CkptRead, TellsStringsAndMapsFromTensors) {
  const std::string map = Field(1, Field(1, "m") + Field(3, Field(1, TensorMessageOf({1}, "Int8", "x"))));
  const auto content = Read(EntryOf("t", {1}, "Int8", "x") + EntryOf("s", {0}, "str", std::string("h\0\0\0", 4)) + map);
  ASSERT_TRUE(content.ok()) << content.status();
  ASSERT_EQ(content->tensors.size(), 1u);
  ASSERT_EQ(content->extras.size(), 2u);
  EXPECT_EQ(content->extras[0].name, "s");
  EXPECT_EQ(content->extras[1].kind, CkptExtra::Kind::kMap);
}

TEST(CkptReadRefusal, NamesThatStandAgainAndChunksThatDisagree) {
  const std::string a = EntryOf("a", {1}, "Int8", "x");
  const std::string b = EntryOf("b", {1}, "Int8", "x");
  ExpectRefused(a + b + a, "entry 'a' stands again behind other entries");
  ExpectRefused(a + a, "needs 1 bytes, and its content has 2");
  ExpectRefused(EntryOf("a", {2}, "Int8", "x") + EntryOf("a", {2}, "UInt8", "x"), "chunks disagree");
  ExpectRefused(EntryOf("a", {2}, "Int8", "x") + EntryOf("a", {2, 1}, "Int8", "x"), "chunks disagree");
  ExpectRefused(a + EntryOf("a", {0}, "str", "1234"), "its name stands twice");
  ExpectRefused(EntryOf("a", {0}, "str", "1234") + b + EntryOf("a", {0}, "str", "1234"), "stands again");
}

TEST(CkptReadRefusal, ShapesThatDoNotFit) {
  ExpectRefused(EntryOf("a", {0}, "Int8", ""), "a scalar or an empty tensor");
  ExpectRefused(EntryOf("a", {3}, "Int8", "xx"), "needs 3 bytes, and its content has 2");
  ExpectRefused(EntryOf("a", {0, 3}, "Int8", "xx"), "needs 0 bytes");
  ExpectRefused(EntryOf("a", {static_cast<std::uint64_t>(-1)}, "Int8", "x"), "an axis of -1");
  ExpectRefused(EntryOf("a", {std::uint64_t{1} << 31}, "Int8", "x"), "an axis of 2147483648");
  ExpectRefused(EntryOf("a", {0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF}, "Int8", "x"), "does not fit in 64 bits");
  ExpectRefused(EntryOf("a", {0x7FFFFFFF, 0x7FFFFFFF, 4}, "Float64", "x"), "does not fit in 64 bits");
  ExpectRefused(EntryOf("a", std::vector<std::uint64_t>(17, 1), "Int8", "x"), "more than 16 axes");
}

TEST(CkptReadRefusal, FieldsThatAreMissingOrTwice) {
  const std::string tensor = TensorMessageOf({1}, "Int8", "x");
  ExpectRefused(Field(1, Field(2, tensor)), "it has no name");
  ExpectRefused(EntryOf("", tensor), "its name is empty");
  ExpectRefused(EntryOf("\xFF", tensor), "its name is not UTF-8");
  ExpectRefused(EntryOf("\xED\xA0\x80", tensor), "its name is not UTF-8");
  ExpectRefused(EntryOf(std::string("a\0b", 3), tensor), "NUL");
  ExpectRefused(Field(1, Field(1, "a")), "it has no value");
  ExpectRefused(EntryOf("a", DimField(1) + Field(3, "x")), "it has no type");
  ExpectRefused(EntryOf("a", DimField(1) + Field(2, "Int8")), "it has no content");
  ExpectRefused(EntryOf("a", tensor + Field(2, "Int8")), "its type twice");
  ExpectRefused(EntryOf("a", tensor + Field(3, "x")), "its content twice");
  ExpectRefused(Field(1, Field(1, "a") + Field(1, "a") + Field(2, tensor)), "its name twice");
  ExpectRefused(Field(1, Field(1, "a") + Field(2, tensor) + Field(2, tensor)), "a value twice");
  ExpectRefused(Field(1, Field(1, "a") + Field(2, tensor) + Field(3, "")), "a value twice");
}

TEST(CkptReadRefusal, BytesThatAreNoMessage) {
  const std::string a = EntryOf("a", {1}, "Int8", "x");
  ExpectRefused(a + Varint(3 << 3 | 3), "a group");
  ExpectRefused(a + Varint(3 << 3 | 4), "a group");
  ExpectRefused(a + Varint(3 << 3 | 6), "wire type 6");
  ExpectRefused(a + Varint(3 << 3 | 7), "wire type 7");
  ExpectRefused(a + std::string(1, '\2') + "x", "field number 0");
  ExpectRefused(a + std::string(11, '\x88'), "more than 10 bytes");
  ExpectRefused(a + Varint(5 << 3) + "\x80", "cut off");
  for (std::size_t size = 1; size < a.size(); ++size) {
    EXPECT_FALSE(Read(a + a.substr(0, size)).ok()) << size;
  }
  ExpectRefused(Field(1, Field(1, "a") + Varint(2 << 3 | 2) + Varint(100) + "x"), "past the end of its message");
}

TEST(CkptReadRefusal, OtherKindsOfFilesByTheirFirstBytes) {
  ExpectRefused("", "it holds no parameter");
  ExpectRefused(std::string("\x08\x01", 2), "parallel strategy file");
  ExpectRefused(std::string("PK\x03\x04", 4) + std::string(40, 'x'), "zip archive");
  ExpectRefused("\x80\x02}q\x01.", "Python pickle");
  ExpectRefused("version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer");
  ExpectRefused(Field(2, "model"), "it holds no parameter");
}

}  // namespace
}  // namespace shardfs::testing
