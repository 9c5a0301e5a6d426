// ModelConfig: the top-level keys of a config.json in their order, each with its value as JSON text.
//
// The shapes of the tensors are computed from these keys, so that config.json and the tensors cannot contradict each
// other.
//
// Thread-safety: values. Keys are few; lookups are linear.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/tensor/dtype.h"

namespace shardfs::tools {

// `json` is the value as in the file, with the indentation of its second and later lines.
struct ConfigEntry {
  std::string_view key;
  std::string_view json;
};

class ModelConfig {
 public:
  ModelConfig() = default;
  explicit ModelConfig(std::span<const ConfigEntry> entries);

  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  // The value of a key as JSON text; empty where the config has no such key.
  std::string_view Text(std::string_view key) const;

  // The value as a number: true is 1, false and null are 0. kInvalidArgument for a missing key and any other value.
  Result<std::uint64_t> Number(std::string_view key) const;

  // Replaces the value of a key, which keeps its place, or appends the key.
  void Set(std::string_view key, std::string json);
  void Set(std::string_view key, std::uint64_t value) { Set(key, std::to_string(value)); }

  // Puts a key that is not there yet before `next`, or at the end where `next` is missing.
  void InsertBefore(std::string_view next, std::string_view key, std::string json);

  // The dtype that `torch_dtype` names; kInvalidArgument unless that is bfloat16 or float16.
  Result<Dtype> TorchDtype() const;
  void SetTorchDtype(Dtype dtype);  // kBF16 or kF16

  // The whole file, two spaces to a level, with a newline at its end.
  std::string Json() const;

 private:
  struct Value {
    std::string key;
    std::string json;
  };
  const Value* Find(std::string_view key) const;

  std::vector<Value> values_;
};

}  // namespace shardfs::tools
