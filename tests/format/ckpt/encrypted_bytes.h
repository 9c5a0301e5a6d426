// Encrypted .ckpt files as MindSpore writes them, made for tests with OpenSSL itself, block by block.
#pragma once

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <memory>
#include <string>
#include <string_view>

#include "format/ckpt/cipher.h"
#include "format/ckpt/decryption_key.h"

namespace shardfs::testing {

inline constexpr char kHex128[] = "101112131415161718191a1b1c1d1e1f";
inline constexpr char kHex192[] = "000102030405060708090a0b0c0d0e0f1011121314151617";
inline constexpr char kHex256[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

inline std::shared_ptr<const DecryptionKey> KeyOf(const std::string& hex) {
  auto key = DecryptionKey::FromHex(hex, "the test");
  EXPECT_TRUE(key.ok()) << key.status();
  return *key;
}

inline std::string LittleEndianOf(std::uint64_t value) {
  std::string text;
  for (int i = 0; i < 4; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

inline const EVP_CIPHER* CipherOf(CipherMode mode, std::size_t key_bytes) {
  if (mode == CipherMode::kSm4Cbc) return EVP_sm4_cbc();
  if (mode == CipherMode::kAesCbc) {
    return key_bytes == 16 ? EVP_aes_128_cbc() : key_bytes == 24 ? EVP_aes_192_cbc() : EVP_aes_256_cbc();
  }
  return key_bytes == 16 ? EVP_aes_128_gcm() : key_bytes == 24 ? EVP_aes_192_gcm() : EVP_aes_256_gcm();
}

inline std::string EncryptBlock(CipherMode mode, const DecryptionKey& key, std::string_view plain,
                                const std::string& iv) {
  const std::unique_ptr<EVP_CIPHER_CTX, void (*)(EVP_CIPHER_CTX*)> context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  const auto bytes = [](auto& text) { return reinterpret_cast<unsigned char*>(text.data()); };
  const auto* const in = reinterpret_cast<const unsigned char*>(plain.data());
  std::string iv_copy = iv;
  EXPECT_EQ(EVP_EncryptInit_ex(context.get(), CipherOf(mode, key.bytes().size()), nullptr, key.bytes().data(),
                               bytes(iv_copy)),
            1);
  std::string cipher(plain.size() + 16, '\0');
  int size = 0;
  int rest = 0;
  EXPECT_EQ(EVP_EncryptUpdate(context.get(), bytes(cipher), &size, in, static_cast<int>(plain.size())), 1);
  EXPECT_EQ(EVP_EncryptFinal_ex(context.get(), bytes(cipher) + size, &rest), 1);
  cipher.resize(static_cast<std::size_t>(size + rest));
  std::string block = std::string(1, static_cast<char>(0xD8 + static_cast<int>(mode))) + "\x5E\x3A\x7F";
  if (mode == CipherMode::kAesGcm) {
    std::string tag(16, '\0');
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, bytes(tag)), 1);
    block += tag;
  }
  return block + LittleEndianOf(cipher.size() + 24) + LittleEndianOf(16) + iv + LittleEndianOf(cipher.size()) + cipher;
}

inline std::string Encrypt(CipherMode mode, const DecryptionKey& key, const std::string& plain, std::size_t block) {
  std::string file;
  for (std::size_t at = 0; at < plain.size(); at += block) {
    std::string iv(16, '\0');
    for (std::size_t i = 0; i < iv.size(); ++i) iv[i] = static_cast<char>(at * 7 + i * 31 + 200);
    file += EncryptBlock(mode, key, std::string_view(plain).substr(at, block), iv);
  }
  return file;
}

}  // namespace shardfs::testing
