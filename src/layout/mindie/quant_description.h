// QuantDescription: what quant_model_description*.json of a quantised checkpoint says about its tensors.
// Source: spec/mindie-weight-sharder.md, sections 3.5, 3.6 and 5.
//
// Immutable after Parse; may be shared among threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shardfs/base/json.h"
#include "shardfs/base/result.h"
#include "shardfs/source/checkpoint.h"

namespace shardfs {

class QuantDescription {
 public:
  // Reads the description of a checkpoint whose config.json has `quantize`: quant_model_description.json, else
  // quant_model_description_{quantize}.json, else, for w8a8_dynamic, quant_model_description_w8a8.json. kCorruption
  // when there is none.
  static Result<QuantDescription> Read(const Checkpoint& checkpoint, const std::string& quantize);
  static Result<QuantDescription> Parse(std::string_view json, const std::string& file_name);

  // What it says of a tensor ("W8A8", "FLOAT"), or nothing.
  std::optional<std::string_view> KindOf(std::string_view tensor) const;

  const JsonValue* Find(std::string_view key) const;  // a key of the document, or nullptr
  const std::string& file_name() const { return file_name_; }
  std::string version() const;  // "0.0.0" when it has none

  QuantDescription() = default;
  QuantDescription(QuantDescription&&) = default;
  QuantDescription& operator=(QuantDescription&&) = default;
  QuantDescription(const QuantDescription&) = delete;  // by_key_ points into document_
  QuantDescription& operator=(const QuantDescription&) = delete;

 private:
  std::string file_name_;
  JsonValue document_;
  std::unordered_map<std::string_view, const JsonValue*> by_key_;  // into document_, whose members do not move
};

}  // namespace shardfs
