// A random small checkpoint, quantised in random ways, and random options that fit it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "evaluator/mindie_evaluator.h"
#include "evaluator/random_numbers.h"
#include "evaluator/setting.h"

namespace shardfs::evaluator {

struct RandomCase {
  Options given;      // some sizes left at -1
  Options effective;  // the same sizes, none of them left out
  Dimensions dims;
  Dtype dtype = Dtype::kBF16;
  std::optional<std::string> quantize;
  std::optional<std::string> mla_quantize;
  std::optional<std::string> moe_quantize;
  bool mtp_quantize = false;
  bool has_mtp_layer = true;
  std::optional<std::string> fa_quant_type;
  bool fa_in_config = true;  // else in the description
  std::map<std::string, Array> tensors;
  std::vector<JsonMember> description;

  std::string ToString() const;  // what a failing test prints
};

// The case of a seed, without its tensors; `quantised` = false: a float checkpoint.
RandomCase ChooseCase(RandomNumbers* random, bool quantised, Fidelity fidelity);

// Fills in the tensors and the description.
void MakeTensors(RandomNumbers* random, RandomCase* random_case);

// Changes a parallel size, takes one tensor away, gives one another shape, or changes one entry of the description.
// Says what it did.
std::string Damage(RandomNumbers* random, RandomCase* random_case);

// Writes config.json, the description, the tensors in a few files, and other files.
void WriteSource(RandomNumbers* random, const RandomCase& random_case, const std::filesystem::path& directory);

}  // namespace shardfs::evaluator
