// DecryptionKey: the key of encrypted .ckpt files. It comes from a file or from the environment, never from a command
// line, which every user of the machine can read; nothing prints it, and its bytes are wiped when it is destroyed.
//
// Thread-safety: immutable. Ownership: held by shared_ptr by each source that decrypts with it, so it is gone once the
// last of them is.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "shardfs/base/result.h"

namespace shardfs {

inline constexpr char kKeyVariable[] = "SHARDFS_KEY";

class DecryptionKey {
 public:
  ~DecryptionKey();
  DecryptionKey(const DecryptionKey&) = delete;
  DecryptionKey& operator=(const DecryptionKey&) = delete;

  // The text is 32, 48 or 64 hexadecimal digits, with white space around them or none. `where` begins messages, which
  // never show the text. kInvalidArgument for any other text.
  static Result<std::shared_ptr<const DecryptionKey>> FromHex(std::string_view text, const std::string& where);

  // kInvalidArgument as well for a file that cannot be read or is none of a key.
  static Result<std::shared_ptr<const DecryptionKey>> FromFile(const std::string& path);

  // Null where the variable SHARDFS_KEY is not set, or empty.
  static Result<std::shared_ptr<const DecryptionKey>> FromEnvironment();

  std::span<const unsigned char> bytes() const { return std::span(bytes_).first(size_); }  // 16, 24 or 32

 private:
  DecryptionKey() = default;

  std::array<unsigned char, 32> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace shardfs
