#include "layout/huggingface/huggingface_reader.h"

#include <algorithm>

#include "view/index_json.h"

namespace shardfs {

Recognition HuggingfaceReader::Recognise(std::span<const std::string> names) const {
  const auto found = std::find_if(names.begin(), names.end(), [](const std::string& name) {
    return name.ends_with(".safetensors") && !name.starts_with('.');
  });
  if (found == names.end()) return {};
  return {Recognition::Degree::kPossible, *found};
}

namespace {

// One safetensors file as it is stored.
class OnlyFile final : public StoredParts {
 public:
  explicit OnlyFile(std::shared_ptr<const SafetensorsDirectory> directory) : directory_(std::move(directory)) {}

  std::size_t file_count() const override { return 1; }
  std::string_view FileName(std::size_t index) const override { return directory_->files()[index]->name(); }
  const FileMetadata& MetadataOf(std::size_t index) const override { return directory_->metadata()[index]; }
  StateDictPtr TensorsOf(std::size_t) const override { return SafetensorsDirectory::StateDictOf(directory_); }

 private:
  std::shared_ptr<const SafetensorsDirectory> directory_;
};

}  // namespace

Result<CheckpointPtr> HuggingfaceReader::Open(const std::string& directory, const OptionValues& /*values*/) const {
  SHARDFS_ASSIGN_OR_RETURN(const auto root, SafetensorsDirectory::Open(directory));
  Checkpoint::Content content;
  content.tensors = SafetensorsDirectory::StateDictOf(root);
  for (const DirectoryEntry& entry : root->other_entries()) {
    content.files.push_back({entry.name, entry.is_regular, entry.size, nullptr});
  }
  for (const CheckedIndex& index : *root->indices()) {
    if (index.name == kIndexName) content.index_order = index.order;
  }
  content.sources = root->sources();
  if (root->sources()->roots().front()->is_file()) {  // of a directory, the files are one model and mean nothing alone
    content.parts = std::make_shared<const OnlyFile>(root);
    for (const auto& [name, text] : root->metadata().front()) {
      if (root->tensors().Find(name)) content.metadata.emplace_back(name, text);
    }
  }
  content.stored_tensors = root->tensors().specs().size();
  content.stored_bytes = root->total_tensor_bytes();
  content.indices = root->indices();
  content.incomplete = root->incomplete();
  content.reader = name();
  content.warnings = root->warnings();
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace shardfs
