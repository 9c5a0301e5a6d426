// Safetensors headers for the fuzzer: valid ones made at random, and the frame around mutated ones.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace shardfs::testing {

// A file with this header and `data_size` zeros behind it.
inline std::string FileOf(const std::string& json, std::uint64_t data_size) {
  std::string file;
  for (int shift = 0; shift < 64; shift += 8) file += static_cast<char>(std::uint64_t{json.size()} >> shift & 0xFF);
  return file + json + std::string(data_size, '\0');
}

// How many of the bytes behind the length are the header, where the length can be believed; else all of them.
inline std::size_t JsonSize(const std::uint8_t* data, std::size_t size) {
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | data[i];
  return static_cast<std::size_t>(std::min<std::uint64_t>(length, size - 8));
}

// The largest second number after "data_offsets", so that the data can be given that size; at most 4096.
inline std::uint64_t DescribedSize(const std::string& json) {
  std::uint64_t largest = 0;
  for (std::size_t at = json.find("data_offsets"); at != json.npos; at = json.find("data_offsets", at + 1)) {
    const std::size_t comma = json.find(',', at);
    if (comma == json.npos) break;
    std::uint64_t number = 0;
    for (std::size_t i = comma + 1; i < json.size() && number < 4096; ++i) {
      if (json[i] >= '0' && json[i] <= '9') {
        number = number * 10 + static_cast<std::uint64_t>(json[i] - '0');
      } else if (json[i] != ' ') {
        break;
      }
    }
    largest = std::max(largest, number);
  }
  return std::min<std::uint64_t>(largest, 4096);
}

// A header of up to three small tensors in any order, with escapes, white space and metadata here and there.
template <typename Random>
std::string RandomHeaderJson(Random& random) {
  static constexpr const char* kDtypes[] = {"BOOL", "F4",  "F6_E2M3", "U8",   "I8",  "F8_E5M2", "F8_E4M3", "F8_E8M0",
                                            "I16",  "U16", "F16",     "BF16", "I32", "F32",     "I64",     "C64"};
  static constexpr unsigned kBits[] = {8, 4, 6, 8, 8, 8, 8, 8, 16, 16, 16, 16, 32, 32, 64, 64};
  static constexpr const char* kNames[] = {"a", "b.weight", "\\u0061b", "\xc3\xa9", "", "x\\n\\\"", "\\ud83d\\ude00"};
  const auto below = [&random](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  const auto space = [&] { return std::string(below(8) == 0 ? below(3) : 0, below(2) == 0 ? ' ' : '\n'); };
  std::vector<std::string> entries;
  std::uint64_t end = 0;
  for (unsigned t = below(4); t > 0; --t) {
    const unsigned dtype = below(16);
    std::string shape;
    std::uint64_t elements = kBits[dtype] % 8 == 0 ? 1 : 4;  // 4 make whole bytes of any
    if (elements == 4) shape = "4";
    for (unsigned rank = below(4); rank > 0; --rank) {
      const unsigned size = below(16) == 0 ? 0 : 1 + below(3);
      shape += (shape.empty() ? "" : ",") + space() + std::to_string(size);
      elements *= size;
    }
    const std::uint64_t begin = end;
    end += elements * kBits[dtype] / 8;
    std::string fields[] = {
        std::string("\"dtype\":") + space() + "\"" + kDtypes[dtype] + "\"",
        "\"shape\":" + space() + "[" + shape + "]",
        "\"data_offsets\":[" + std::to_string(begin) + "," + space() + std::to_string(end) + "]",
    };
    std::swap(fields[0], fields[below(3)]);
    std::string name = kNames[below(7)];
    if (below(4) != 0) name += std::to_string(t);
    entries.push_back("\"" + name + "\":" + space() + "{" + fields[0] + "," + fields[1] + "," + fields[2] + "}");
  }
  if (below(3) == 0) entries.emplace_back(R"("__metadata__":{"format":"pt"})");
  for (std::size_t i = entries.size(); i > 1; --i) std::swap(entries[i - 1], entries[below(static_cast<unsigned>(i))]);
  std::string json = "{";
  for (const std::string& entry : entries) json += (json.size() == 1 ? "" : ",") + entry;
  return json + "}" + std::string(below(9), ' ');
}

}  // namespace shardfs::testing
