// GCM is CTR with a tag: the tag of a whole block is checked once by the one, and then any range is decrypted by the
// other, from the counter block iv[0:12] || be32(2 + number of the 16 bytes). Of the 16 bytes of an iv MindSpore's GCM
// uses the first 12.
//
// The ciphers are fetched from a library context of our own, which reads no configuration of the host: a program that
// is linked statically could not load the modules that such a file names.
#include "format/ckpt/cipher.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace shardfs {
namespace {

constexpr std::size_t kGcmIvBytes = 12;
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }  // wipes the key in it
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;
struct FreeCipher {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
};
using Cipher = std::unique_ptr<EVP_CIPHER, FreeCipher>;
struct FreeLibrary {
  void operator()(OSSL_LIB_CTX* library) const { OSSL_LIB_CTX_free(library); }
};

Status Failed(std::string_view what) { return Status::ResourceExhausted(fmt::format("OpenSSL cannot {}", what)); }

unsigned char* Bytes(std::span<std::byte> bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

Result<Context> NewContext(const EVP_CIPHER* cipher, const DecryptionKey& key, const unsigned char* iv) {
  Context context(EVP_CIPHER_CTX_new());
  if (context == nullptr || EVP_DecryptInit_ex2(context.get(), cipher, key.bytes().data(), iv, nullptr) != 1 ||
      EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1) {
    return Failed("begin to decrypt");
  }
  return context;
}

// In place; sizes beyond an int in several steps.
Status Decrypt(EVP_CIPHER_CTX* context, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto step = bytes.first(std::min(bytes.size(), std::size_t{1} << 30));
    int done = 0;
    if (EVP_DecryptUpdate(context, Bytes(step), &done, Bytes(step), static_cast<int>(step.size())) != 1 ||
        static_cast<std::size_t>(done) != step.size()) {
      return Failed("decrypt");
    }
    bytes = bytes.subspan(step.size());
  }
  return Status::Ok();
}

}  // namespace

struct BlockCipher::Library {
  std::unique_ptr<OSSL_LIB_CTX, FreeLibrary> context;
  Cipher whole;  // GCM or CBC
  Cipher range;  // CTR, of GCM alone
};

BlockCipher::BlockCipher() : library_(std::make_unique<Library>()) {}
BlockCipher::~BlockCipher() = default;

std::optional<CipherMode> CipherModeFromName(std::string_view name) {
  const auto found = std::find(kCipherModeNames.begin(), kCipherModeNames.end(), name);
  if (found == kCipherModeNames.end()) return std::nullopt;
  return static_cast<CipherMode>(found - kCipherModeNames.begin());
}

std::optional<CipherMode> CipherModeOf(std::span<const std::byte> first) {
  constexpr std::array<unsigned char, 3> kRest = {0x5E, 0x3A, 0x7F};
  if (first.size() < 4 || std::memcmp(first.data() + 1, kRest.data(), kRest.size()) != 0) return std::nullopt;
  switch (std::to_integer<unsigned>(first[0])) {
    case 0xD8:
      return CipherMode::kAesGcm;
    case 0xD9:
      return CipherMode::kAesCbc;
    case 0xDA:
      return CipherMode::kSm4Cbc;
    default:
      return std::nullopt;
  }
}

Result<std::unique_ptr<const BlockCipher>> BlockCipher::Create(CipherMode mode,
                                                               std::shared_ptr<const DecryptionKey> key) {
  const std::size_t size = key->bytes().size();
  if (mode == CipherMode::kSm4Cbc && size != 16) {
    return Status::InvalidArgument(fmt::format("the key has {} bytes, and SM4-CBC takes 16", size));
  }
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  std::unique_ptr<BlockCipher> cipher(new BlockCipher);
  cipher->mode_ = mode;
  Library& library = *cipher->library_;
  library.context.reset(OSSL_LIB_CTX_new());
  const auto fetch = [&](const std::string& name) {
    return Cipher(EVP_CIPHER_fetch(library.context.get(), name.c_str(), nullptr));
  };
  const std::string aes = fmt::format("AES-{}", size * 8);
  library.whole =
      fetch(mode == CipherMode::kSm4Cbc ? "SM4-CBC" : aes + (mode == CipherMode::kAesGcm ? "-GCM" : "-CBC"));
  if (mode == CipherMode::kAesGcm) library.range = fetch(aes + "-CTR");
  if (library.whole == nullptr || (mode == CipherMode::kAesGcm && library.range == nullptr)) {
    return Status::NotSupported(fmt::format("the OpenSSL of this machine has no {}", CipherModeName(mode)));
  }
  cipher->key_ = std::move(key);
  return std::unique_ptr<const BlockCipher>(std::move(cipher));
}

Result<bool> BlockCipher::HasTag(const CipherBytes& iv, const CipherBytes& tag,
                                 const std::function<Result<std::size_t>(std::span<std::byte>)>& next) const {
  SHARDFS_ASSIGN_OR_RETURN(const Context context, NewContext(library_->whole.get(), *key_, iv.data()));
  std::vector<std::byte> piece(kPieceBytes);
  Status status;
  for (;;) {
    SHARDFS_ASSIGN_OR_RETURN(const std::size_t size, next(piece));
    if (size == 0) break;
    status = Decrypt(context.get(), std::span(piece).first(size));
    if (!status.ok()) break;
  }
  OPENSSL_cleanse(piece.data(), piece.size());  // plain text that is not yet known to be right
  SHARDFS_RETURN_IF_ERROR(status);
  CipherBytes expected = tag;
  if (EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(expected.size()), expected.data()) !=
      1) {
    return Failed("take a tag");
  }
  int done = 0;
  return EVP_DecryptFinal_ex(context.get(), Bytes(piece), &done) == 1;
}

Status BlockCipher::DecryptGcm(const CipherBytes& iv, std::uint64_t offset, std::span<std::byte> bytes) const {
  static_assert(kCipherBytes == kGcmIvBytes + 4);
  CipherBytes counter = iv;
  const auto number = static_cast<std::uint32_t>(2 + offset / kCipherBytes);
  for (std::size_t i = 0; i < 4; ++i) counter[kGcmIvBytes + i] = static_cast<unsigned char>(number >> (24 - 8 * i));
  SHARDFS_ASSIGN_OR_RETURN(const Context context, NewContext(library_->range.get(), *key_, counter.data()));
  std::array<std::byte, kCipherBytes> before{};  // in front of `offset`, of no interest
  SHARDFS_RETURN_IF_ERROR(Decrypt(context.get(), std::span(before).first(offset % kCipherBytes)));
  return Decrypt(context.get(), bytes);
}

Status BlockCipher::DecryptCbc(const CipherBytes& iv, std::span<std::byte> bytes) const {
  SHARDFS_ASSIGN_OR_RETURN(const Context context, NewContext(library_->whole.get(), *key_, iv.data()));
  return Decrypt(context.get(), bytes);
}

}  // namespace shardfs
