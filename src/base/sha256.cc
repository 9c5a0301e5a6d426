#include "base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <new>

namespace shardfs {

std::string Sha256Hex(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  std::string hex;
  for (const unsigned char byte : digest) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", byte);
    hex += digits.data();
  }
  return hex;
}

}  // namespace shardfs
