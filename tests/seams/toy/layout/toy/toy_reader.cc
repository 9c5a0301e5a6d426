// A line of the index is "NAME SHAPE FILE", as in "model.norm.weight 4x2 norm.f32". The tensors keep the order of the
// lines; each file holds exactly its tensor's elements, row-major.
#include "layout/toy/toy_reader.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>
#include <sstream>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "checkpoint/directory_listing.h"
#include "checkpoint/read_text.h"

namespace shardfs {
namespace {

constexpr std::string_view kToyIndexName = "model.toy";
constexpr std::uint64_t kMaxIndexBytes = 1 << 20;
constexpr std::uint64_t kElementBytes = 4;

constexpr std::array<OptionSpec, 1> kOptions = {
    {{"toy_index", OptionKind::kText, "NAME", "The index in the directory", kToyIndexName}}};
constexpr const OptionSpec& kIndex = kOptions[0];

Result<Shape> ParseShape(const std::string& text) {
  Shape shape;
  std::istringstream axes(text);
  for (std::string axis; std::getline(axes, axis, 'x');) {
    const auto size = ParseNumber<std::uint64_t>(axis);
    if (!size) return Status::Corruption(fmt::format("{} is no shape such as 4x2", QuoteName(text)));
    shape.push_back(*size);
  }
  return shape;
}

class ToyStateDict final : public StateDict {
 public:
  explicit ToyStateDict(std::shared_ptr<const SourceRoot> root) : root_(std::move(root)) {}

  std::span<const std::shared_ptr<const FileSource>> files() const { return files_; }

  Status Read(const std::string& index, const std::string& index_name) {
    std::istringstream lines(index);
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
      const Status status = AddLine(line);
      if (!status.ok()) return status.WithContext(fmt::format("line {} of {}", ++number, QuoteName(index_name)));
      ++number;
    }
    for (std::size_t i = 0; i < specs_.size(); ++i) specs_[i].name = names_[i];  // no name moves any more
    return Status::Ok();
  }

  std::span<const TensorSpec> specs() const override { return specs_; }
  std::optional<std::uint32_t> Find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }
  Result<TensorPtr> Build(std::uint32_t index) const override {
    return Tensor::Source(files_[index].get(), 0, Dtype::kF32, specs_[index].shape);
  }
  std::string_view Origin(std::uint32_t index) const override { return files_[index]->name(); }
  std::optional<SourceSpan> SpanOf(std::uint32_t index) const override {
    return SourceSpan{files_[index].get(), 0, files_[index]->size()};
  }

 private:
  Status AddLine(const std::string& line) {
    std::istringstream words(line);
    std::string name;
    std::string shape;
    std::string file;
    if (!(words >> name >> shape >> file)) return Status::Corruption("is not NAME SHAPE FILE");
    TensorSpec spec{.name = {}, .dtype = Dtype::kF32, .shape = {}};
    SHARDFS_ASSIGN_OR_RETURN(spec.shape, ParseShape(shape));
    SHARDFS_ASSIGN_OR_RETURN(auto source, root_->OpenFile(file));
    SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t elements, ElementCount(spec.shape));
    if (source->size() % kElementBytes != 0 || source->size() / kElementBytes != elements) {
      return Status::Corruption(
          fmt::format("{} is {} elements, and {} has {} bytes", shape, elements, QuoteName(file), source->size()));
    }
    if (!by_name_.emplace(name, static_cast<std::uint32_t>(specs_.size())).second) {
      return Status::Corruption(fmt::format("{} stands there twice", QuoteName(name)));
    }
    names_.push_back(std::move(name));
    specs_.push_back(std::move(spec));
    files_.push_back(std::move(source));
    return Status::Ok();
  }

  std::shared_ptr<const SourceRoot> root_;
  std::vector<std::string> names_;
  std::vector<TensorSpec> specs_;
  std::vector<std::shared_ptr<const FileSource>> files_;
  std::map<std::string, std::uint32_t, std::less<>> by_name_;
};

}  // namespace

std::span<const OptionSpec> ToyReader::options() const { return kOptions; }

Recognition ToyReader::Recognise(std::span<const std::string> names) const {
  for (const std::string& name : names) {
    if (name == kToyIndexName) return {Recognition::Degree::kCertain, name};
  }
  return {};
}

Result<CheckpointPtr> ToyReader::Open(const std::string& directory, const OptionValues& values) const {
  SHARDFS_ASSIGN_OR_RETURN(const auto root, SourceRoot::Open(directory));
  const std::string index_name = values.Text(kIndex).value_or(std::string(kToyIndexName));
  const auto index = ReadText(*root, index_name, kMaxIndexBytes);
  if (index.status().code() == StatusCode::kNotFound) {
    return Status::Corruption(fmt::format("{} has no {}, the index of a toy checkpoint; name it with --toy-index",
                                          QuoteName(root->path()), QuoteName(index_name)));
  }
  SHARDFS_RETURN_IF_ERROR(index.status());
  auto tensors = std::make_shared<ToyStateDict>(root);
  SHARDFS_RETURN_IF_ERROR(tensors->Read(*index, index_name));
  std::set<std::string, std::less<>> weights;
  for (std::uint32_t i = 0; i < tensors->specs().size(); ++i) weights.emplace(tensors->Origin(i));
  Checkpoint::Content content;
  SHARDFS_ASSIGN_OR_RETURN(const DirectoryListing listing, ListDirectory(root->descriptor()));
  for (const DirectoryEntry& entry : listing.others) {
    if (entry.name == index_name || weights.contains(entry.name)) continue;
    content.files.push_back({entry.name, entry.is_regular, entry.size, nullptr});
  }
  content.sources = std::make_shared<const SourceSet>(
      std::vector{root},
      std::vector<std::shared_ptr<const FileSource>>(tensors->files().begin(), tensors->files().end()));
  content.stored_tensors = tensors->specs().size();
  for (const TensorSpec& spec : tensors->specs()) content.stored_bytes += BytesOf(spec);
  content.tensors = std::move(tensors);
  content.reader = name();
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace shardfs
