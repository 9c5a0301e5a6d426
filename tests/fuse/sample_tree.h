// A small view whose bytes are known, with a file that cannot be read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "shardfs/view/virtual_tree.h"

namespace shardfs {

inline constexpr std::uint64_t kLargeSize = 3 * 1024 * 1024 + 1234;  // several requests, and a page in part
inline constexpr std::uint64_t kFaultySize = 1024 * 1024;
inline constexpr std::uint64_t kFaultyFrom = 256 * 1024;  // reads that touch bytes from here on fail
inline constexpr int kManyFiles = 700;                    // more than one READDIR reply holds

std::string PatternBytes(std::uint64_t size, std::uint32_t seed);

// config.json, empty.json, model-a/model.safetensors (kLargeSize bytes of PatternBytes with seed 1),
// model-a/inner/small.bin, faulty.bin, and many/file-000.bin ... (each holds its own name).
std::shared_ptr<const VirtualTree> SampleTree();

inline constexpr const char* kConfigText = "{\"model_type\": \"deepseek_v3\"}";

}  // namespace shardfs
