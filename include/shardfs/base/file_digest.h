// FileDigest: the digest of a file by which a manifest knows it.
//
// A file is cut into blocks of 4 MiB (4,194,304 bytes, the last one shorter; an empty file has one of no bytes). The
// digest is the XXH3-128 (seed 0) of the blocks' own XXH3-128s, each in canonical form (16 bytes, big-endian), one
// behind the other in the order of the file. Blocks can so be written, and checked, in any order and by several
// threads, and the digest costs no second reading. XXH3 finds accidents; it is no protection against somebody who means
// to deceive.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace shardfs {

inline constexpr std::uint64_t kDigestBlockBytes = std::uint64_t{4} << 20;

struct FileDigest {
  std::array<std::uint8_t, 16> bytes{};  // canonical

  std::string ToHex() const;                                        // 32 lower-case digits
  static std::optional<FileDigest> FromHex(std::string_view text);  // nothing when it is not that
  static FileDigest OfBlocks(std::span<const FileDigest> blocks);   // of a whole file
  static FileDigest OfBytes(std::span<const std::byte> bytes);      // plain XXH3-128

  auto operator<=>(const FileDigest&) const = default;
};

// The plain XXH3-128 of bytes that come one piece after the other. Not thread-safe.
class DigestStream {
 public:
  DigestStream();  // throws std::bad_alloc
  ~DigestStream();
  DigestStream(const DigestStream&) = delete;
  DigestStream& operator=(const DigestStream&) = delete;

  void Add(std::span<const std::byte> bytes);
  FileDigest Finish();  // of what was added since the last Finish

 private:
  void* state_;
};

}  // namespace shardfs
