#include "shardfs/base/file_digest.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace shardfs {
namespace {

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// What the xxhsum program prints (xxh128sum).
TEST(FileDigestTest, BytesAreDigestedAsXxhsumDoes) {
  EXPECT_EQ(FileDigest::OfBytes({}).ToHex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(FileDigest::OfBytes(Bytes("abc")).ToHex(), "06b05ab6733a618578af5f94892f3950");
}

TEST(FileDigestTest, AStreamIsItsBytes) {
  std::string text(100'000, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 % 251);
  DigestStream stream;
  for (std::size_t begin = 0, step = 1; begin < text.size(); begin += step, step = step * 3 + 1) {
    stream.Add(Bytes(text).subspan(begin, std::min(step, text.size() - begin)));
  }
  EXPECT_EQ(stream.Finish(), FileDigest::OfBytes(Bytes(text)));
  stream.Add(Bytes("abc"));
  EXPECT_EQ(stream.Finish(), FileDigest::OfBytes(Bytes("abc"))) << "the next one begins afresh";
}

TEST(FileDigestTest, AFileIsTheDigestOfItsBlocksDigests) {
  const FileDigest a = FileDigest::OfBytes(Bytes("a"));
  const FileDigest b = FileDigest::OfBytes(Bytes("b"));
  std::string both(32, '\0');
  std::memcpy(both.data(), a.bytes.data(), 16);
  std::memcpy(both.data() + 16, b.bytes.data(), 16);
  EXPECT_EQ(FileDigest::OfBlocks(std::vector{a, b}), FileDigest::OfBytes(Bytes(both)));
  EXPECT_NE(FileDigest::OfBlocks(std::vector{a, b}), FileDigest::OfBlocks(std::vector{b, a}));
}

TEST(FileDigestTest, Hexadecimal) {
  const FileDigest digest = FileDigest::OfBytes(Bytes("abc"));
  EXPECT_EQ(FileDigest::FromHex(digest.ToHex()), digest);
  for (const char* bad : {"", "06b05ab6733a618578af5f94892f395", "06b05ab6733a618578af5f94892f39500",
                          "06B05AB6733A618578AF5F94892F3950", "06b05ab6733a618578af5f94892f395g"}) {
    EXPECT_EQ(FileDigest::FromHex(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace shardfs
