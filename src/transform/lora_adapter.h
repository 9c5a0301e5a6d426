// LoraAdapter: a PEFT adapter's directory: its config, its tensors, and what each of them means.
// Source: spec/lora.md, section 2.
//
// Immutable; const members from any number of threads. Held by shared_ptr, which keeps its files open.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/source/source_set.h"
#include "shardfs/tensor/state_dict.h"
#include "transform/lora_config.h"

namespace shardfs {

// A module that the adapter changes: indices of the adapter's tensors. `path` is the module's in the base.
struct LoraModule {
  std::string path;
  bool is_embedding = false;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  std::optional<std::uint32_t> bias;
};

// A tensor that stands in the place of the base's of the name `target`, before (`is_base_layer`) or instead of a merge.
struct LoraReplacement {
  std::string target;
  std::uint32_t tensor = 0;
  bool is_base_layer = false;
};

class LoraAdapter {
 public:
  // Opens adapter_config.json and adapter_model.safetensors below `directory`; `label` names the root in the SourceSet.
  // kInvalidArgument where there is no such directory; kNotSupported for an adapter that is not a plain B @ A update;
  // kCorruption for files that are missing or damaged, or factors that are not pairs.
  static Result<std::shared_ptr<const LoraAdapter>> Open(const std::string& directory, const std::string& label);

  const LoraConfig& config() const { return config_; }
  const SourceSet& sources() const { return *sources_; }  // of both files
  const std::string& path() const { return sources_->path(); }
  const std::vector<LoraModule>& modules() const { return modules_; }                 // in the file's order
  const std::vector<LoraReplacement>& replacements() const { return replacements_; }  // in the file's order

  // The tensors; the pointer shares the ownership of `adapter`.
  static StateDictPtr TensorsOf(const std::shared_ptr<const LoraAdapter>& adapter) {
    return {adapter, adapter->tensors_.get()};
  }

 private:
  LoraAdapter() = default;
  Status OpenFiles(const std::string& directory, const std::string& label);
  Status SortTensors();

  std::shared_ptr<const SourceSet> sources_;
  std::unique_ptr<const StateDict> tensors_;
  LoraConfig config_;
  std::vector<LoraModule> modules_;
  std::vector<LoraReplacement> replacements_;
};

}  // namespace shardfs
