#include "base/sha256.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

// The examples of FIPS 180-4, and lengths around the end of a block (by Python's hashlib).
TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, TakesAnyLength) {
  EXPECT_EQ(Sha256Hex(std::string(55, 'x')), "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(Sha256Hex(std::string(56, 'x')), "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(Sha256Hex(std::string(63, 'x')), "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
  EXPECT_EQ(Sha256Hex(std::string(64, 'x')), "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
  EXPECT_EQ(Sha256Hex(std::string(65, 'x')), "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9");
  EXPECT_EQ(Sha256Hex(std::string(119, 'x')), "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c");
  EXPECT_EQ(Sha256Hex(std::string(120, 'x')), "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98");
  EXPECT_EQ(Sha256Hex(std::string(1000, 'x')), "44f8354494a5ba03ba1792a8d3e9c534c47a9181980fde7a3f44b06ef2ae7c7f");
}

// By `printf 'blob 3\0abc' | sha1sum`, which `git hash-object` says too.
TEST(HashStreamTest, TakesPiecesOfAnySize) {
  HashStream sha1(HashKind::kSha1);
  const std::string blob("blob 3\0abc", 10);
  for (const char byte : blob) sha1.Add(std::as_bytes(std::span(&byte, 1)));
  EXPECT_EQ(sha1.FinishHex(), "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f");
  HashStream sha256(HashKind::kSha256);
  const std::string text(1000, 'x');
  sha256.Add(std::as_bytes(std::span(text).first(999)));
  sha256.Add(std::as_bytes(std::span(text).last(1)));
  EXPECT_EQ(sha256.FinishHex(), Sha256Hex(text));
}

}  // namespace
}  // namespace shardfs
