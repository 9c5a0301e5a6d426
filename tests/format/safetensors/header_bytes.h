// Bytes of safetensors files for tests, from the JSON of their headers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "shardfs/format/safetensors/header.h"

namespace shardfs::testing {

// The length prefix and `json` as it is.
inline std::string HeaderBytes(std::string_view json) {
  std::string bytes;
  for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>(json.size() >> shift & 0xFF);
  bytes += json;
  return bytes;
}

// A header and `data_size` bytes of data: byte i of the data is i modulo 251.
inline std::string FileBytes(std::string_view json, std::size_t data_size) {
  std::string bytes = HeaderBytes(json);
  for (std::size_t i = 0; i < data_size; ++i) bytes += static_cast<char>(i % 251);
  return bytes;
}

// What ParseHeader says of a file "test.safetensors" with this header and `data_size` bytes behind it.
inline Result<Header> Parse(std::string_view json, std::uint64_t data_size) {
  const std::string bytes = HeaderBytes(json);
  return ParseHeader(std::as_bytes(std::span(bytes)), bytes.size() + data_size, "test.safetensors");
}

}  // namespace shardfs::testing
