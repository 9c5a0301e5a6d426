// The ciphers of encrypted .ckpt files, by OpenSSL: a block's tag checked, and any range of a block decrypted alone.
// (spec/mindspore-ckpt.md, section 6)
//
// Thread-safety: BlockCipher is immutable; const members from any number of threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "format/ckpt/decryption_key.h"
#include "shardfs/base/result.h"

namespace shardfs {

enum class CipherMode : std::uint8_t { kAesGcm, kAesCbc, kSm4Cbc };

inline constexpr std::array<std::string_view, 3> kCipherModeNames = {"AES-GCM", "AES-CBC", "SM4-CBC"};
constexpr std::string_view CipherModeName(CipherMode mode) { return kCipherModeNames[static_cast<std::size_t>(mode)]; }
std::optional<CipherMode> CipherModeFromName(std::string_view name);

// The mode of a file that begins with these bytes; nothing where it is not encrypted.
std::optional<CipherMode> CipherModeOf(std::span<const std::byte> first);

inline constexpr std::size_t kCipherBytes = 16;  // a cipher's own block, an iv and a tag
using CipherBytes = std::array<unsigned char, kCipherBytes>;

class BlockCipher {
 public:
  ~BlockCipher();

  // kInvalidArgument for a key of a length that the mode does not take.
  static Result<std::unique_ptr<const BlockCipher>> Create(CipherMode mode, std::shared_ptr<const DecryptionKey> key);

  CipherMode mode() const { return mode_; }

  // GCM: whether `tag` is that of a block. `next` fills a buffer with the block's next cipher bytes, up to its end, and
  // returns how many; 0 at the end. The Status is next's, or of OpenSSL's failure.
  Result<bool> HasTag(const CipherBytes& iv, const CipherBytes& tag,
                      const std::function<Result<std::size_t>(std::span<std::byte>)>& next) const;

  // GCM: decrypts cipher bytes from `offset` of a block, in place.
  Status DecryptGcm(const CipherBytes& iv, std::uint64_t offset, std::span<std::byte> bytes) const;

  // CBC: decrypts whole cipher blocks in place; `iv` is the cipher block before them.
  Status DecryptCbc(const CipherBytes& iv, std::span<std::byte> bytes) const;

 private:
  struct Library;  // OpenSSL's objects
  BlockCipher();

  CipherMode mode_ = CipherMode::kAesGcm;
  std::shared_ptr<const DecryptionKey> key_;
  std::unique_ptr<Library> library_;
};

}  // namespace shardfs
