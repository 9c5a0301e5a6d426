// SHA-256 (FIPS 180-4), where a format asks for it by name. Files are known by FileDigest, which is many times as fast.
#pragma once

#include <string>
#include <string_view>

namespace shardfs {

// The digest of `bytes` as 64 lower-case hexadecimal digits. Thread-safe.
std::string Sha256Hex(std::string_view bytes);

}  // namespace shardfs
