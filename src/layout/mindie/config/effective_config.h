// EffectiveConfig: what MindIE makes of the JSON files of a model directory before it looks at any weight.
// Source: spec/mindie-weight-sharder.md, section 8, "The effective configuration"; section 6 for the description's
// names.
//
// config.json is read first, generation_config.json on top of it, then the quantisation description: the first of
// quant_model_description.json and quant_model_description_{quantize}.json. The description may name the model's kind
// ("model_quant_type") where config.json does not, and its keys go over those of `quantization_config`.
//
// Immutable after Read; may be shared among threads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "layout/mindie/config/quant_description.h"
#include "shardfs/base/json.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

class EffectiveConfig {
 public:
  // Reads a file of the directory by its name; kNotFound when there is none, kNotSupported above `limit` bytes.
  using FileReader = std::function<Result<std::string>(const std::string& name, std::uint64_t limit)>;

  // A key's value and the file that it comes from.
  struct Setting {
    const JsonValue* value = nullptr;  // null: the key is absent everywhere. Lives as long as the EffectiveConfig.
    std::string_view file;             // "config.json"
  };

  // kCorruption for a config.json that is missing, and for config.json or a description that is no JSON object or
  // contradicts itself. A missing description is RequireDescription's to find, and what is wrong with
  // generation_config.json is generation_status(). `directory` is named in messages.
  static Result<EffectiveConfig> Read(const FileReader& read, const std::string& directory);

  static Result<EffectiveConfig> Read(const Checkpoint& checkpoint);

  // config.json under MindIE's own names (mindie_names.h), with the description's kind as its `quantize`.
  const JsonValue& json() const { return json_; }
  // The same as it stands in the directory, `quantize` included only where config.json has it.
  const JsonValue& written_json() const { return written_json_; }

  // The model's kind, in MindIE's words ("w8a8_dynamic"); empty for a float model. What is not a string stays in
  // json(), where its reader refuses it.
  const std::string& quantize() const { return quantize_; }
  // Whether config.json leaves it to the description.
  bool quantize_is_described() const { return quantize_is_described_; }
  // "\"quantize\" of config.json", or the description's key and name, for messages.
  std::string QuantizeOrigin() const;

  // Null where there is none.
  const QuantDescription* description() const { return description_ ? &*description_ : nullptr; }
  // kCorruption that lists the names which were tried, for a quantised model without a description.
  Status RequireDescription() const;

  // OK, also without a generation_config.json; else why MindIE cannot read it. Its keys then count as absent.
  const Status& generation_status() const { return generation_status_; }

  // A key of the top level: generation_config.json's value, or else config.json's.
  Setting Find(std::string_view key) const;
  // A key of `quantization_config`: the description's value, or else config.json's; only a fa_quant_type that
  // config.json has stays (also null).
  Setting FindQuantization(std::string_view key) const;
  // The same; null where neither file has it.
  JsonValue Quantization(std::string_view key) const;

 private:
  Status ReadDescription(const FileReader& read);
  void ReadGenerationConfig(const FileReader& read);

  JsonValue written_json_;
  JsonValue json_;
  JsonValue generation_;  // null without a generation_config.json that can be read
  Status generation_status_;
  std::string quantize_;
  bool quantize_is_described_ = false;
  std::optional<QuantDescription> description_;
  // w8a8_dynamic weights are described by quant_model_description_w8a8.json where nothing else is there, but MindIE
  // takes no settings from it.
  bool description_has_settings_ = true;
};

}  // namespace shardfs
