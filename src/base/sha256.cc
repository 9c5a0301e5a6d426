#include "base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <new>

namespace shardfs {
namespace {

std::string ToHex(std::span<const unsigned char> digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace

HashStream::HashStream(HashKind kind) : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw std::bad_alloc();
  auto* const context = static_cast<EVP_MD_CTX*>(context_);
  if (EVP_DigestInit_ex(context, kind == HashKind::kSha256 ? EVP_sha256() : EVP_sha1(), nullptr) == 1) return;
  EVP_MD_CTX_free(context);
  throw std::bad_alloc();
}

HashStream::~HashStream() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void HashStream::Add(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()) != 1) throw std::bad_alloc();
}

std::string HashStream::FinishHex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest.data(), &size) != 1) throw std::bad_alloc();
  return ToHex(std::span(digest).first(size));
}

std::string Sha256Hex(std::string_view bytes) {
  HashStream stream(HashKind::kSha256);
  stream.Add(std::as_bytes(std::span(bytes)));
  return stream.FinishHex();
}

}  // namespace shardfs
