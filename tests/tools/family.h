// Family: the checkpoints of one architecture as data: the names of the tensors, their shapes as expressions over
// config.json (shape_expression.h), and the keys of config.json. FamilyTensors turns a family and its sizes into a list
// of tensors.
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
  std::string_view when = {};  // condition for the tensor to exist, which may ask for `layer`; empty: always
  bool always_f32 = false;     // otherwise the dtype is torch_dtype
};

// Rows that give tensors once, or once in each of `layers` layers from number `first_layer` on. Successive rows with
// "{expert}" are a group: all tensors of one expert come before those of the next.
struct Section {
  std::string_view first_layer;  // expression
  std::string_view layers;       // expression; empty: the rows belong to no layer
  std::vector<std::span<const TensorRow>> blocks;
};

struct Family {
  std::string_view name;                // "llama", in presets and messages
  std::string_view title;               // "Llama", in the README beside the weights
  std::string_view experts;             // expression: the number of routed experts; empty for a dense family
  bool remote_code = false;             // published with modeling_deepseek.py and configuration_deepseek.py
  std::span<const ConfigEntry> config;  // config.json of the best-known checkpoint
  std::vector<Section> sections;        // in the order in which the tensors are written
};

// A checkpoint to write: `family` gives the tensors, `config` their sizes.
struct Model {
  const Family* family = nullptr;
  ModelConfig config;
};

// The float tensors of a model, in the family's order. kInvalidArgument for a size that is missing, 0 or too large (an
// axis above 2^40, more than 2^20 layers or experts), and for sizes that do not divide where they must.
Result<std::vector<NewTensor>> FamilyTensors(const Model& model);

}  // namespace shardfs::tools
