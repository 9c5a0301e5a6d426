// A checkpoint directory, read into memory as it is.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "evaluator/array.h"
#include "shardfs/base/json.h"

namespace shardfs::evaluator {

struct SourceDirectory {
  JsonValue config;
  std::optional<JsonValue> description;      // of a quantised checkpoint
  std::map<std::string, Array> tensors;      // by name
  std::map<std::string, std::string> files;  // every other regular file: name -> bytes

  bool Has(const std::string& name) const { return tensors.contains(name); }

  // Throws Refused when the tensor is missing or of another shape.
  const Array& Get(const std::string& name) const;
  const Array& Get(const std::string& name, const Sizes& shape) const;

  // The description's value for a key; nothing when there is no description or no such key.
  std::optional<std::string> Described(const std::string& name) const;
};

SourceDirectory ReadSource(const std::filesystem::path& path);

}  // namespace shardfs::evaluator
