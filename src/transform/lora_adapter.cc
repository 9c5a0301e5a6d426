// The end of a tensor's name says what it is. Factors are gathered by module, and must be pairs; every other tensor
// stands in the place of one of the base.
#include "transform/lora_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "base/quote_name.h"
#include "checkpoint/merge_tensors.h"
#include "checkpoint/read_text.h"
#include "checkpoint/safetensors_state_dict.h"
#include "checkpoint/shard_reader.h"

namespace shardfs {
namespace {

constexpr char kWeightsName[] = "adapter_model.safetensors";
constexpr char kPickleName[] = "adapter_model.bin";
constexpr std::uint64_t kMaxConfigBytes = 16 << 20;  // its patterns may name every module
constexpr std::string_view kPrefix = "base_model.model.";

enum class Part : std::uint8_t { kA, kB, kEmbeddingA, kEmbeddingB, kBias };
constexpr std::pair<std::string_view, Part> kEndings[] = {{".lora_A.weight", Part::kA},
                                                          {".lora_B.weight", Part::kB},
                                                          {".lora_embedding_A", Part::kEmbeddingA},
                                                          {".lora_embedding_B", Part::kEmbeddingB},
                                                          {".lora_B.bias", Part::kBias}};

// The factors of a module so far.
struct Factors {
  std::map<Part, std::uint32_t> tensors;

  std::optional<std::uint32_t> Find(Part part) const {
    const auto found = tensors.find(part);
    return found == tensors.end() ? std::nullopt : std::optional(found->second);
  }
};

Result<LoraModule> ModuleOf(const std::string& path, const Factors& factors, const StateDict& tensors) {
  LoraModule module;
  module.path = path;
  module.is_embedding = factors.Find(Part::kEmbeddingA) || factors.Find(Part::kEmbeddingB);
  const auto a = factors.Find(module.is_embedding ? Part::kEmbeddingA : Part::kA);
  const auto b = factors.Find(module.is_embedding ? Part::kEmbeddingB : Part::kB);
  module.bias = factors.Find(Part::kBias);
  const std::size_t known = (a ? 1u : 0u) + (b ? 1u : 0u) + (module.bias ? 1u : 0u);
  if (!a || !b || known != factors.tensors.size() || (module.is_embedding && module.bias)) {
    std::vector<std::string> names;
    for (const auto& [part, index] : factors.tensors) names.push_back(QuoteName(tensors.specs()[index].name));
    return Status::Corruption(fmt::format("the adapter has {} of module {}, which are not one A and one B",
                                          fmt::join(names, ", "), QuoteName(path)));
  }
  module.a = *a;
  module.b = *b;
  return module;
}

Status CheckTensor(const TensorSpec& spec) {
  for (const std::string_view part : {"lora_magnitude_vector", "trainable_tokens"}) {
    if (spec.name.find(part) == std::string_view::npos) continue;
    return Status::NotSupported(
        fmt::format("tensor {} is not of a plain B*A update; merge the adapter with PEFT", QuoteName(spec.name)));
  }
  if (!IsFloat(spec.dtype)) {
    return Status::NotSupported(
        fmt::format("tensor {} is {}, not F32, F16 or BF16", QuoteName(spec.name), DtypeName(spec.dtype)));
  }
  if (!spec.name.starts_with(kPrefix)) {
    return Status::NotSupported(
        fmt::format("tensor {} does not begin with {}, as PEFT's names do", QuoteName(spec.name), kPrefix));
  }
  return Status::Ok();
}

// `name` is the tensor's without kPrefix.
LoraReplacement ReplacementOf(std::string_view name, std::uint32_t tensor) {
  constexpr std::string_view kBaseLayer = ".base_layer.";
  const std::size_t base_layer = name.rfind(kBaseLayer);
  LoraReplacement replacement{std::string(name), tensor, base_layer != std::string_view::npos};
  if (replacement.is_base_layer) replacement.target.replace(base_layer, kBaseLayer.size(), ".");
  return replacement;
}

Status MissingWeights(const SourceRoot& root) {
  if (root.OpenFile(kPickleName).ok()) {
    return Status::NotSupported(
        fmt::format("{} is a pickle, which shardfs never opens; save the adapter with PEFT again, which writes {}",
                    kPickleName, kWeightsName));
  }
  return Status::Corruption(fmt::format("{} is missing; give the directory of a PEFT adapter", kWeightsName));
}

}  // namespace

Result<std::shared_ptr<const LoraAdapter>> LoraAdapter::Open(const std::string& directory, const std::string& label) {
  const std::shared_ptr<LoraAdapter> adapter(new LoraAdapter);
  Status status = adapter->OpenFiles(directory, label);
  if (status.ok()) status = adapter->SortTensors();
  if (!status.ok()) return status.WithContext(fmt::format("lora: adapter {}", QuoteName(directory)));
  return std::shared_ptr<const LoraAdapter>(adapter);
}

Status LoraAdapter::OpenFiles(const std::string& directory, const std::string& label) {
  SHARDFS_ASSIGN_OR_RETURN(const auto root, SourceRoot::Open(directory, label));
  if (root->is_file()) {
    return Status::InvalidArgument(
        fmt::format("it is a file; give the directory that holds {} and {}", kLoraConfigName, kWeightsName));
  }
  const auto text = ReadText(*root, kLoraConfigName, kMaxConfigBytes);
  if (text.status().code() == StatusCode::kNotFound) {
    return Status::Corruption(fmt::format("{} is missing; give the directory of a PEFT adapter", kLoraConfigName));
  }
  SHARDFS_RETURN_IF_ERROR(text.status());
  SHARDFS_ASSIGN_OR_RETURN(config_, LoraConfig::Parse(*text, kLoraConfigName));
  SHARDFS_ASSIGN_OR_RETURN(std::shared_ptr<const FileSource> config_file, root->OpenFile(kLoraConfigName));
  if (root->OpenFile(kWeightsName).status().code() == StatusCode::kNotFound) return MissingWeights(*root);
  const std::vector<std::string> names = {kWeightsName};
  SHARDFS_ASSIGN_OR_RETURN(std::vector<Shard> shards, ReadShards(*root, names));
  SHARDFS_ASSIGN_OR_RETURN(std::vector<TensorInfo> tensors, MergeTensors(shards, {}));
  tensors_ = std::make_unique<const SafetensorsStateDict>(std::move(tensors));
  std::vector<std::shared_ptr<const FileSource>> files = {std::move(shards[0].file), std::move(config_file)};
  sources_ = std::make_shared<const SourceSet>(std::vector{root}, std::move(files));
  return Status::Ok();
}

Status LoraAdapter::SortTensors() {
  std::vector<std::string> order;
  std::map<std::string, Factors> modules;
  for (std::uint32_t i = 0; i < tensors_->specs().size(); ++i) {
    const TensorSpec& spec = tensors_->specs()[i];
    SHARDFS_RETURN_IF_ERROR(CheckTensor(spec));
    const std::string_view rest = spec.name.substr(kPrefix.size());
    const auto* const ending = std::find_if(std::begin(kEndings), std::end(kEndings),
                                            [&](const auto& one) { return rest.ends_with(one.first); });
    if (ending == std::end(kEndings)) {
      replacements_.push_back(ReplacementOf(rest, i));
      continue;
    }
    const std::string path(rest.substr(0, rest.size() - ending->first.size()));
    const auto [module, is_new] = modules.try_emplace(path);
    if (is_new) order.push_back(path);
    module->second.tensors.emplace(ending->second, i);
  }
  for (const std::string& path : order) {
    SHARDFS_ASSIGN_OR_RETURN(LoraModule module, ModuleOf(path, modules.at(path), *tensors_));
    modules_.push_back(std::move(module));
  }
  if (order.empty() && replacements_.empty()) return Status::Corruption("the adapter has no tensor");
  return Status::Ok();
}

}  // namespace shardfs
