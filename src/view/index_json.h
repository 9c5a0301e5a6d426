// model.safetensors.index.json as huggingface_hub and transformers write it.
// Source: spec/huggingface-view.md, sections 2 (step 6) and 2b.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shardfs {

enum class IndexForm : std::uint8_t {
  kTransformers,  // names by code point, a newline at the end
  kHub,           // names in the order given, no newline
};

// A tensor and the file that holds it.
using WeightMap = std::vector<std::pair<std::string, std::string>>;

std::string IndexJson(std::uint64_t total_size, WeightMap weight_map, IndexForm form);

// The index of files=source: no total, the order given, no newline.
std::string SourceIndexJson(const WeightMap& weight_map);

}  // namespace shardfs
