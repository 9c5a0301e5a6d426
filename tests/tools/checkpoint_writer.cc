#include "tools/checkpoint_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "tools/deepseek_config.h"

namespace shardfs::tools {
namespace {

Status CheckLimits(const FileLimits& limits) {
  if (limits.files > 0 && limits.max_file_bytes > 0) {
    return Status::InvalidArgument("both a number of files and a largest file size are given: give one");
  }
  return Status::Ok();
}

Status PrepareDirectory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Status::FromErrno(error.value(), "cannot make the directory " + directory.string());
  const bool empty = std::filesystem::is_empty(directory, error);
  if (error) return Status::FromErrno(error.value(), "cannot list the directory " + directory.string());
  if (!empty) {
    return Status::InvalidArgument("the directory " + directory.string() + " is not empty: give an empty or new one");
  }
  return Status::Ok();
}

Result<CheckpointSummary> WriteInto(const std::filesystem::path& directory, const std::vector<NewTensor>& tensors,
                                    const Placement& placement, const std::vector<TextFile>& texts,
                                    const ContentOptions& content) {
  SHARDFS_ASSIGN_OR_RETURN(const CheckpointSummary summary, WriteWeightFiles(directory, tensors, placement, content));
  for (const auto& files : {texts, placement.TextFiles()}) {
    for (const TextFile& file : files) SHARDFS_RETURN_IF_ERROR(WriteTextFile(directory / file.name, file.content));
  }
  return summary;
}

// top_k is within the vocabulary, because MindIE refuses a larger one.
std::string GenerationConfigJson(const ModelConfig& config) {
  const auto vocabulary = config.Number("vocab_size");
  return fmt::format(R"({{
  "_from_model_config": true,
  "bos_token_id": {},
  "eos_token_id": {},
  "do_sample": true,
  "top_k": {},
  "temperature": 0.6,
  "top_p": 0.95
}}
)",
                     config.Text("bos_token_id"), config.Text("eos_token_id"),
                     std::min<std::uint64_t>(20, vocabulary.ok() ? *vocabulary : 20));
}

}  // namespace

std::vector<TextFile> TextFilesOf(const Model& model) {
  std::vector<TextFile> files = {
      {"README.md", fmt::format("# A synthetic checkpoint: {}'s tensors with random values\n", model.family->title)},
      {"config.json", model.config.Json()},
      {"configuration.json", R"({"framework": "pytorch", "task": "text-generation"})"},
      {"generation_config.json", GenerationConfigJson(model.config)},
      {"tokenizer.json", "{\n  \"version\": \"1.0\",\n  \"model\": {\n    \"type\": \"BPE\"\n  }\n}\n"},
      {"tokenizer_config.json", "{\n  \"tokenizer_class\": \"LlamaTokenizerFast\",\n  \"bos_token\": \"<s>\"\n}\n"},
  };
  if (model.family->remote_code) {
    files.push_back({"configuration_deepseek.py", "# synthetic: stands for the model's configuration class\n"});
    files.push_back({"modeling_deepseek.py", "# synthetic: stands for the model's code\n"});
  }
  return files;
}

Result<CheckpointSummary> WriteTensors(const std::string& directory, const std::vector<NewTensor>& tensors,
                                       const Placement& placement, const std::vector<TextFile>& texts,
                                       const ContentOptions& content) {
  SHARDFS_RETURN_IF_ERROR(PrepareDirectory(directory));
  auto summary = WriteInto(directory, tensors, placement, texts, content);
  if (!summary.ok()) {
    std::error_code ignored;  // the failure that matters is the one at hand
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }
  return summary;
}

Result<CheckpointSummary> WriteModel(const std::string& directory, const Model& model, const WriteOptions& options) {
  SHARDFS_RETURN_IF_ERROR(CheckLimits(options));
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<NewTensor> tensors, FamilyTensors(model));
  return WriteTensors(directory, tensors, HuggingFacePlacement(tensors, "model", options), TextFilesOf(model), options);
}

Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options,
                                          const std::vector<NewTensor>& tensors) {
  const Quantisation& quantisation = options.quantisation;
  SHARDFS_RETURN_IF_ERROR(CheckLimits(options));
  SHARDFS_RETURN_IF_ERROR(ValidateShape(options.shape));
  SHARDFS_RETURN_IF_ERROR(ValidateQuantisation(quantisation, options.shape));
  std::vector<TextFile> texts = TextFilesOf(DeepSeekModel(options.shape, quantisation));
  if (!QuantizeName(quantisation.kind).empty()) {
    std::vector<std::string_view> names;
    for (const NewTensor& tensor : tensors) names.push_back(tensor.name);
    texts.push_back({DescriptionFileName(quantisation), DescriptionJson(options.shape, quantisation, names)});
  }
  const HuggingFacePlacement placement(tensors, WeightFilePrefix(quantisation.kind), options);
  return WriteTensors(directory, tensors, placement, texts, options);
}

Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options) {
  SHARDFS_RETURN_IF_ERROR(ValidateShape(options.shape));  // before its sizes are multiplied
  SHARDFS_RETURN_IF_ERROR(ValidateQuantisation(options.quantisation, options.shape));
  return WriteCheckpoint(directory, options, CheckpointTensors(options.shape, options.quantisation));
}

}  // namespace shardfs::tools
