#include "layout/mindie/source_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::string_view kLayerPrefix = "model.layers.";

// Whether a decoder layer may have lost this tensor: a file with one is not left out, whatever the index says.
bool IsOfDecoderLayer(std::string_view tensor) {
  return tensor.starts_with(kLayerPrefix) &&
         (tensor.find("_proj.") != tensor.npos || tensor.find("layernorm") != tensor.npos ||
          tensor.find(".mlp.") != tensor.npos);
}

// What one index maps of the missing tensors.
struct MappedElsewhere {
  std::size_t tensors = 0;
  std::set<std::string_view> files;
  std::string_view example;

  void Add(std::string_view tensor, std::string_view file) {
    if (tensors++ == 0) example = tensor;
    files.insert(file);
  }
};

bool IsThere(const Checkpoint& checkpoint, std::string_view name) {
  const auto& files = checkpoint.sources().files();
  return std::any_of(files.begin(), files.end(), [name](const auto& file) { return file->name() == name; });
}

MappedElsewhere FindMapped(const CheckedIndex& index, const std::vector<std::string>& missing,
                           const std::string& mtp_prefix) {
  MappedElsewhere mapped;
  for (const std::string& tensor : missing) {
    if (const std::string* file = index.FileOfLost(tensor)) mapped.Add(tensor, *file);
  }
  if (mtp_prefix.empty() || mapped.tensors != 0) return mapped;
  for (const CheckedIndex::Mapping& lost : index.lost) {
    if (lost.tensor.starts_with(mtp_prefix)) mapped.Add(lost.tensor, index.files[lost.file]);
  }
  return mapped;
}

}  // namespace

ExtraFiles::ExtraFiles(const Checkpoint& checkpoint, std::set<std::string_view> needed)
    : checkpoint_(checkpoint), needed_(std::move(needed)) {
  index_is_about_these_ =
      std::any_of(needed_.begin(), needed_.end(), [this](std::string_view file) { return AnyIndexNames(file); });
}

bool ExtraFiles::AnyIndexNames(std::string_view file) const {
  const auto& indices = checkpoint_.indices();
  return std::any_of(indices.begin(), indices.end(), [file](const CheckedIndex& index) { return index.Names(file); });
}

bool ExtraFiles::Add(const TensorSpec& tensor) {
  if (needed_.contains(checkpoint_.OriginOf(tensor))) return false;
  files_[checkpoint_.OriginOf(tensor)].push_back(&tensor);
  return true;
}

bool ExtraFiles::IsLeftOut(std::string_view file) const {
  const auto found = files_.find(file);
  if (found == files_.end() || !index_is_about_these_ || AnyIndexNames(file)) return false;
  return std::none_of(found->second.begin(), found->second.end(),
                      [](const TensorSpec* tensor) { return IsOfDecoderLayer(tensor->name); });
}

std::vector<std::string> ExtraFiles::Sentences(bool left_out) const {
  std::map<std::string, std::string> by_name;
  for (const auto& [file, tensors] : files_) {
    if (IsLeftOut(file) != left_out) continue;
    const std::string held = fmt::format("its {} tensor{} ({}{})", tensors.size(), tensors.size() == 1 ? "" : "s",
                                         QuoteName(tensors.front()->name), tensors.size() == 1 ? "" : " first");
    const std::string verb = tensors.size() == 1 ? "is" : "are";
    const std::string name = QuoteName(file);
    by_name[std::string(file)] =
        left_out ? fmt::format("{} is left out: no index names it, and {} {} not of this model", name, held, verb)
                 : fmt::format(
                       "{} is no part of this model: no layer needs it, and {} {} not known; move it out of the "
                       "directory, or correct config.json",
                       name, held, verb);
  }
  std::vector<std::string> sentences;
  for (auto& [name, sentence] : by_name) sentences.push_back(std::move(sentence));
  return sentences;
}

std::vector<std::string> IndexWarnings(const Checkpoint& checkpoint, const ExtraFiles& left_out) {
  std::set<std::string_view> passed_over;
  for (const auto& [file, tensors] : left_out.files()) {
    if (left_out.IsLeftOut(file)) passed_over.insert(file);
  }
  std::vector<std::string> warnings;
  for (const CheckedIndex& index : checkpoint.indices()) {
    std::vector<IndexDefect> defects = index.defects;
    std::erase_if(defects, [&](const IndexDefect& defect) {
      return defect.kind == IndexDefect::Kind::kNotMapped && passed_over.contains(defect.file);
    });
    if (defects.empty()) continue;
    warnings.push_back(fmt::format(
        "the index {} disagrees with the files, whose headers count (MindIE reads no index): it {}; write it anew or "
        "remove it",
        QuoteName(index.name), DescribeIndexDefects(defects)));
  }
  return warnings;
}

std::string ExplainMissing(const Checkpoint& checkpoint, const std::vector<std::string>& missing,
                           const std::string& mtp_prefix) {
  if (!checkpoint.incomplete().empty()) return "";  // which is said instead
  if (missing.empty() && mtp_prefix.empty()) return "";
  for (const CheckedIndex& index : checkpoint.indices()) {
    const MappedElsewhere mapped = FindMapped(index, missing, mtp_prefix);
    if (mapped.tensors == 0) continue;
    const std::string_view file = *mapped.files.begin();
    const std::size_t others = mapped.files.size() - 1;
    return fmt::format("the files are incomplete: the index {} maps {} of the missing tensors ({}{}) to {}{}, {}",
                       QuoteName(index.name), mapped.tensors, QuoteName(mapped.example),
                       mapped.tensors == 1 ? "" : " among them", QuoteName(file),
                       others == 0 ? "" : fmt::format(" and {} more file{}", others, others == 1 ? "" : "s"),
                       IsThere(checkpoint, file) ? "whose header does not have them" : "which is missing");
  }
  const auto wrong = std::find_if(checkpoint.indices().begin(), checkpoint.indices().end(),
                                  [](const CheckedIndex& index) { return !index.defects.empty(); });
  if (missing.empty() || wrong == checkpoint.indices().end()) return "";
  return fmt::format(
      "the files are incomplete, and the index {}, which disagrees with them, does not map what is missing",
      QuoteName(wrong->name));
}

}  // namespace shardfs
