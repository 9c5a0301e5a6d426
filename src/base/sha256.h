// SHA-256 (FIPS 180-4), where a format or a publisher asks for it by name, and the SHA-1 by which git names its blobs.
// Files of our own are known by FileDigest, which is many times as fast.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace shardfs {

// The digest of `bytes` as 64 lower-case hexadecimal digits. Thread-safe.
std::string Sha256Hex(std::string_view bytes);

enum class HashKind : unsigned char { kSha256, kSha1 };

// The digest of bytes that come one piece after the other. Not thread-safe.
class HashStream {
 public:
  explicit HashStream(HashKind kind);  // throws std::bad_alloc
  ~HashStream();
  HashStream(const HashStream&) = delete;
  HashStream& operator=(const HashStream&) = delete;

  void Add(std::span<const std::byte> bytes);
  std::string FinishHex();  // in lower case; once

 private:
  void* context_;
};

}  // namespace shardfs
