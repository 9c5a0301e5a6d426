#include "shardfs/base/file_digest.h"

#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // picks AVX2 or AVX-512 at run time, twice as fast as what every x86-64 has
#endif

#include <cstring>
#include <new>

namespace shardfs {
namespace {

static_assert(sizeof(XXH128_canonical_t) == sizeof(FileDigest::bytes));

FileDigest Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  FileDigest digest;
  std::memcpy(digest.bytes.data(), &canonical, sizeof(canonical));
  return digest;
}

std::optional<std::uint8_t> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

}  // namespace

std::string FileDigest::ToHex() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<FileDigest> FileDigest::FromHex(std::string_view text) {
  FileDigest digest;
  if (text.size() != 2 * digest.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
    const auto high = HexDigit(text[2 * i]);
    const auto low = HexDigit(text[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    digest.bytes[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return digest;
}

FileDigest FileDigest::OfBlocks(std::span<const FileDigest> blocks) { return OfBytes(std::as_bytes(blocks)); }

FileDigest FileDigest::OfBytes(std::span<const std::byte> bytes) {
  return Canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

DigestStream::DigestStream() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(static_cast<XXH3_state_t*>(state_));
}

DigestStream::~DigestStream() { XXH3_freeState(static_cast<XXH3_state_t*>(state_)); }

void DigestStream::Add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(static_cast<XXH3_state_t*>(state_), bytes.data(), bytes.size());
}

FileDigest DigestStream::Finish() {
  auto* const state = static_cast<XXH3_state_t*>(state_);
  const FileDigest digest = Canonical(XXH3_128bits_digest(state));
  XXH3_128bits_reset(state);
  return digest;
}

}  // namespace shardfs
