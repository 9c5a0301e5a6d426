#include "tools/checkpoint_writer.h"

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

std::vector<TextFile> TextsOf(const Model& model) {
  std::vector<TextFile> texts = CompanionFiles(model);
  texts.push_back({"config.json", model.config.Json()});
  return texts;
}

}  // namespace

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
  return WriteTensors(directory, tensors, HuggingFacePlacement(tensors, "model", options), TextsOf(model), options);
}

Result<CheckpointSummary> WriteCheckpoint(const std::string& directory, const CheckpointOptions& options,
                                          const std::vector<NewTensor>& tensors) {
  const Quantisation& quantisation = options.quantisation;
  SHARDFS_RETURN_IF_ERROR(CheckLimits(options));
  SHARDFS_RETURN_IF_ERROR(ValidateShape(options.shape));
  SHARDFS_RETURN_IF_ERROR(ValidateQuantisation(quantisation, options.shape));
  std::vector<TextFile> texts = TextsOf(DeepSeekModel(options.shape, quantisation));
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
