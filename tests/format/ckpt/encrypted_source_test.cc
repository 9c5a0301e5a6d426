// Encrypted files made here with OpenSSL itself, block by block, and read in every way; and each bit that is wrong.
#include "format/ckpt/encrypted_source.h"
#include "shardfs/format/ckpt/ckpt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "format/ckpt/ckpt_forms.h"
#include "format/ckpt/encrypted_bytes.h"

namespace shardfs::testing {
namespace {

using ::testing::HasSubstr;

Result<std::shared_ptr<EncryptedSource>> Open(const std::string& file, const std::string& hex,
                                              std::optional<CipherMode> mode = std::nullopt) {
  return EncryptedSource::Open(std::make_shared<const MemorySource>(SourceOf(file)), KeyOf(hex), mode);
}

std::string Random(std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

Result<std::string> ReadRange(const ByteSource& source, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  const Status status = source.ReadAt(offset, std::as_writable_bytes(std::span(bytes)));
  if (!status.ok()) return status;
  return bytes;
}

struct Variant {
  CipherMode mode;
  const char* hex;
};
constexpr Variant kVariants[] = {{CipherMode::kAesGcm, kHex128}, {CipherMode::kAesGcm, kHex192},
                                 {CipherMode::kAesGcm, kHex256}, {CipherMode::kAesCbc, kHex128},
                                 {CipherMode::kAesCbc, kHex192}, {CipherMode::kAesCbc, kHex256},
                                 {CipherMode::kSm4Cbc, kHex128}};

TEST(EncryptedSource, ReadsAnyRangeOfEveryMode) {
  for (const Variant& variant : kVariants) {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{16}, std::size_t{1000}, std::size_t{4096}, std::size_t{5001}}) {
      const std::string plain = Random(size);
      const auto source = Open(Encrypt(variant.mode, *KeyOf(variant.hex), plain, 1024), variant.hex, variant.mode);
      ASSERT_TRUE(source.ok()) << source.status();
      EXPECT_EQ((*source)->mode(), variant.mode);
      ASSERT_EQ((*source)->size(), size);
      std::mt19937 random(7);
      for (int i = 0; i < 100; ++i) {
        const std::size_t offset = random() % (size + 1);
        const std::size_t count = random() % (size - offset + 1);
        const auto read = ReadRange(**source, offset, count);
        ASSERT_TRUE(read.ok()) << read.status();
        ASSERT_EQ(*read, plain.substr(offset, count)) << CipherModeName(variant.mode) << " " << offset << "+" << count;
      }
      EXPECT_FALSE(ReadRange(**source, size, 1).ok());
    }
  }
}

// Block k: every read that needs it fails, first and again, and no other does.
TEST(EncryptedSource, AFlippedBitFailsEveryReadOfItsGcmBlockAndNoOther) {
  const std::string plain = Random(4000);
  const std::string file = Encrypt(CipherMode::kAesGcm, *KeyOf(kHex256), plain, 1000);
  const std::size_t block = file.size() / 4;
  for (std::size_t k = 0; k < 4; ++k) {
    // In the tag, the iv's 12 bytes that count, and the content.
    for (const std::size_t within :
         {std::size_t{4}, std::size_t{19}, std::size_t{28}, std::size_t{39}, std::size_t{48}, std::size_t{1047}}) {
      std::string changed = file;
      changed[k * block + within] ^= 0x10;
      const auto source = Open(changed, kHex256);
      ASSERT_TRUE(source.ok()) << source.status();
      for (int round = 0; round < 2; ++round) {
        for (std::size_t other = 0; other < 4; ++other) {
          const auto read = ReadRange(**source, other * 1000 + 500, 7);
          EXPECT_EQ(read.ok(), other != k) << within;
          EXPECT_EQ(read.status().code(), other != k ? StatusCode::kOk : StatusCode::kCorruption);
          EXPECT_EQ(read.ok() ? *read : plain.substr(other * 1000 + 500, 7), plain.substr(other * 1000 + 500, 7));
        }
      }
      EXPECT_FALSE(ReadRange(**source, 0, 4000).ok());
    }
  }
}

// A read of several blocks, of which a later one is wrong, leaves none of the plain text of the earlier ones.
TEST(EncryptedSource, AFailedReadHasDecryptedNothing) {
  const std::string plain = Random(2000);
  std::string file = Encrypt(CipherMode::kAesGcm, *KeyOf(kHex128), plain, 1000);
  file.back() ^= 1;
  const auto source = Open(file, kHex128);
  ASSERT_TRUE(source.ok());
  std::string bytes(2000, '.');
  EXPECT_FALSE((*source)->ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
  EXPECT_EQ(bytes, std::string(2000, '.'));
}

TEST(EncryptedSource, ChecksAheadWhatAWalkWillNeed) {
  const std::string plain = Random(64000);
  std::string file = Encrypt(CipherMode::kAesGcm, *KeyOf(kHex128), plain, 1000);
  file[file.size() / 2 + 500] ^= 1;  // in the content of a block
  const auto source = Open(file, kHex128);
  ASSERT_TRUE(source.ok());
  (*source)->set_checks_ahead(true);
  std::size_t failed = 0;
  for (std::size_t at = 0; at < plain.size(); at += 1000) {
    const auto read = ReadRange(**source, at + 1, 3);
    EXPECT_EQ(read.ok() ? *read : plain.substr(at + 1, 3), plain.substr(at + 1, 3));
    failed += read.ok() ? 0 : 1;
  }
  EXPECT_EQ(failed, 1u);
}

std::string RefusalOf(const std::string& file, const std::string& hex, std::optional<CipherMode> mode = std::nullopt) {
  const auto source = Open(file, hex, mode);
  EXPECT_FALSE(source.ok());
  return source.ok() ? std::string() : std::string(source.status().message());
}

// A walk needs the blocks that entries begin in, and no other: damage elsewhere is for the reads that meet it.
TEST(EncryptedSource, AWalkNeedsTheBlocksOfTheFramingAlone) {
  const std::string plain = EntryOf("w", {5000}, "UInt8", std::string(5000, 'x'));
  const std::string file = Encrypt(CipherMode::kAesGcm, *KeyOf(kHex128), plain, 1000);
  for (std::size_t block = 0; block < 6; ++block) {
    std::string changed = file;
    changed[block * 1048 + 50] ^= 1;  // in its content
    const auto source = Open(changed, kHex128);
    ASSERT_TRUE(source.ok());
    const bool is_of_framing = block == 0 || block == 5;  // the last may end in a crc trailer
    EXPECT_EQ(ReadCkpt(**source, 64).ok(), !is_of_framing) << block;
  }
}

TEST(EncryptedSource, RefusesKeysAndModesThatDoNotFit) {
  const std::string gcm = Encrypt(CipherMode::kAesGcm, *KeyOf(kHex128), "text", 64);
  const std::string cbc = Encrypt(CipherMode::kAesCbc, *KeyOf(kHex128), "text", 64);
  const std::string sm4 = Encrypt(CipherMode::kSm4Cbc, *KeyOf(kHex128), "text", 64);
  EXPECT_THAT(RefusalOf(gcm, kHex128, CipherMode::kAesCbc),
              HasSubstr("dec_mode is AES-CBC, and 'memory' is encrypted with AES-GCM"));
  EXPECT_THAT(RefusalOf(sm4, kHex256), HasSubstr("SM4-CBC takes 16"));
  EXPECT_THAT(RefusalOf(cbc, "000102030405060708090a0b0c0d0e0f"), HasSubstr("padding is wrong"));
  const auto wrong = Open(gcm, "000102030405060708090a0b0c0d0e0f");
  ASSERT_TRUE(wrong.ok());
  EXPECT_FALSE(ReadRange(**wrong, 0, 1).ok());
  EXPECT_THAT(RefusalOf("plain text", kHex128), HasSubstr("is not encrypted"));
}

TEST(EncryptedSource, RefusesFramesWhoseLengthsDoNotFit) {
  const std::string file = Encrypt(CipherMode::kAesGcm, *KeyOf(kHex128), Random(100), 64);
  for (const std::size_t place : {20u, 24u, 44u}) {  // L, the iv's length, the content's
    std::string changed = file;
    ++changed[place];
    EXPECT_THAT(RefusalOf(changed, kHex128), HasSubstr("lengths do not fit")) << place;
  }
  EXPECT_THAT(RefusalOf(file + "crc_num" + std::string(10, '\0'), kHex128),
              HasSubstr("does not begin as a block does"));
  for (std::size_t size = 1; size < file.size(); ++size) {
    if (size == 48 + 64) continue;  // the first block alone is a shorter file
    EXPECT_FALSE(Open(file.substr(0, size), kHex128).ok()) << size;
  }
  const std::string cbc = Encrypt(CipherMode::kAesCbc, *KeyOf(kHex128), "text", 64);
  EXPECT_THAT(RefusalOf(file + cbc, kHex128), HasSubstr("does not begin as a block does"));
}

// What wipes a key is the end of the last source that decrypts with it.
TEST(DecryptionKey, LivesAsLongAsItsSources) {
  auto key = KeyOf(kHex128);
  const std::weak_ptr<const DecryptionKey> watched = key;
  const auto file = std::make_shared<const MemorySource>(SourceOf(Encrypt(CipherMode::kAesGcm, *key, "text", 64)));
  auto source = EncryptedSource::Open(file, std::move(key), std::nullopt);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_FALSE(watched.expired());
  source = Status::NotFound("gone");
  EXPECT_TRUE(watched.expired());
}

TEST(DecryptionKey, IsHexTextAndNothingElse) {
  for (const std::string hex : {kHex128, kHex192, kHex256}) {
    const auto key = DecryptionKey::FromHex(" \n" + hex + "\r\n", "x");
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ((*key)->bytes().size(), hex.size() / 2);
    EXPECT_EQ((*key)->bytes()[1], hex == kHex128 ? 0x11 : 0x01);
  }
  const std::string secret = "c0ffee";
  for (const std::string& text :
       {secret, secret + std::string(25, '0') + " 0", std::string(), std::string(64, 'g'),
        "0x" + secret + std::string(24, '0'), std::string(33, 'a'), secret + std::string(26, '\0')}) {
    const auto key = DecryptionKey::FromHex(text, "the test's key");
    ASSERT_FALSE(key.ok()) << text;
    EXPECT_EQ(key.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(key.status().message()), HasSubstr("the test's key"));
    EXPECT_THAT(std::string(key.status().message()), ::testing::Not(HasSubstr(secret)));
  }
}

}  // namespace
}  // namespace shardfs::testing
