// LoraConfig: what adapter_config.json of a PEFT adapter says of the merge: rank and scaling of each module.
// Source: spec/lora.md, section 2.
//
// Immutable; const members from any number of threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/python_regex.h"
#include "shardfs/base/json.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The file's name in the adapter's directory.
inline constexpr char kLoraConfigName[] = "adapter_config.json";

class LoraConfig {
 public:
  // kNotSupported for an adapter that is not a plain B @ A update, or a setting that is not known; kCorruption for a
  // value of another type. `file` begins messages.
  static Result<LoraConfig> Parse(std::string_view text, std::string_view file);

  struct Module {
    std::uint64_t rank = 0;
    double scaling = 0;  // alpha / rank, or alpha / sqrt(rank)
  };
  // `path` is the module's without "base_model.model.". The first key of each pattern that matches the end of the path
  // decides, else the value for all.
  Module ModuleOf(std::string_view path) const;

  // What ModuleOf costs at most is proportional to this times the path's length.
  std::uint64_t pattern_size() const { return pattern_size_; }

  bool fan_in_fan_out() const { return fan_in_fan_out_; }
  bool lora_bias() const { return lora_bias_; }

 private:
  class Reader;

  std::uint64_t rank_ = 8;
  double alpha_ = 8;
  bool uses_rslora_ = false;
  bool fan_in_fan_out_ = false;
  bool lora_bias_ = false;
  std::uint64_t pattern_size_ = 0;
  std::vector<std::pair<PythonRegex, std::uint64_t>> ranks_;
  std::vector<std::pair<PythonRegex, double>> alphas_;
};

// "16", "0.5", "1e-3": a JSON number or an option's text; nothing for any other, and for one that is not finite.
std::optional<double> ParseLoraNumber(std::string_view text);

}  // namespace shardfs
