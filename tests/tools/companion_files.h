// The text files beside the weights of a checkpoint: stand-ins with the names of the published checkpoints' files.
//
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <vector>

#include "tools/family.h"

namespace shardfs::tools {

struct TextFile {
  std::string name;
  std::string content;
};

// generation_config.json; top_k is within the vocabulary, which MindIE asks for.
std::string GenerationConfigJson(const ModelConfig& config);

// Everything but config.json, the weights and what a layout has of its own (an index).
std::vector<TextFile> CompanionFiles(const Model& model);

}  // namespace shardfs::tools
