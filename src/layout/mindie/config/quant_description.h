// QuantDescription: what quant_model_description*.json of a quantised checkpoint says about its tensors.
// Source: spec/mindie-weight-sharder.md, sections 3.5, 3.6 and 5. Which file it is read from, effective_config.h
// decides.
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

namespace shardfs {

class QuantDescription {
 public:
  static Result<QuantDescription> Parse(std::string_view json, const std::string& file_name);

  // What it says of a tensor ("W8A8", "FLOAT"), or nothing.
  std::optional<std::string_view> KindOf(std::string_view tensor) const;

  // Whether it says anything of any weight.
  bool HasWeights() const;

  const JsonValue* Find(std::string_view key) const;  // a key of the document, or nullptr
  const std::string& file_name() const { return file_name_; }
  JsonValue version() const;  // as the document has it, of whatever type; "0.0.0" when it has none
  bool has_version() const;   // other than "0.0.0"
  bool HasGroupSize() const;  // other than 0

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
