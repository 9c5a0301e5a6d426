// Family: what the checkpoints of one architecture are made of, as data: the names of their tensors, the shapes as
// expressions over config.json, and the keys of config.json. FamilyTensors turns it into a list of tensors.
//
// Thread-safety: constants and pure functions.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/format/safetensors/header.h"
#include "tools/model_config.h"

namespace shardfs::tools {

// One line of a family's table: one tensor, one in each layer, or one in each expert of each layer.
struct TensorRow {
  std::string_view name;       // with "{layer}" and "{expert}", which a number replaces; at most one of each
  std::string_view rows;       // expression: the first axis
  std::string_view columns;    // expression: the second axis; empty for a vector
  std::string_view when = {};  // condition: in which models and layers (the variable `layer`) it exists; empty = all
  bool always_f32 = false;     // else of torch_dtype
};

// Rows that stand once, or once in each of `layers` layers from number `first_layer` on. Successive rows with
// "{expert}" belong together: an expert has all of them before the next expert begins.
struct Section {
  std::string_view first_layer;  // expression
  std::string_view layers;       // expression; empty: no layers, the rows stand once
  std::vector<std::span<const TensorRow>> blocks;
};

struct Family {
  std::string_view name;                // "llama": as messages and presets call it
  std::string_view title;               // "Llama": as its makers write it
  std::string_view experts;             // expression: how many "{expert}" counts; empty for a dense family
  bool remote_code = false;             // the published checkpoints have modeling_deepseek.py and its like beside them
  std::span<const ConfigEntry> config;  // of the family's best-known checkpoint, with the keys in the published order
  std::vector<Section> sections;        // in the order in which the published checkpoints list their tensors
};

// A checkpoint to be written: whose tensors, and which sizes.
struct Model {
  const Family* family = nullptr;
  ModelConfig config;
};

// The float tensors of a model, in the family's order. kInvalidArgument for a size that is missing, 0 or absurd (above
// 2^40 in one axis, 2^20 layers or experts), and for sizes that do not divide where they must.
Result<std::vector<NewTensor>> FamilyTensors(const Model& model);

}  // namespace shardfs::tools
