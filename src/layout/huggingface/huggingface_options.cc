#include "layout/huggingface/huggingface_options.h"

#include <fmt/format.h>

#include <array>

#include "base/quote_name.h"
#include "checkpoint/kept_headers.h"

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 2> kFilesChoices = {"split", "source"};
constexpr std::array<std::string_view, 3> kOrderChoices = {"index", "file", "natural"};
constexpr std::array<std::string_view, 2> kIndexChoices = {"transformers", "hub"};
constexpr std::array<std::string_view, 2> kMetadataChoices = {"pt", "none"};

constexpr std::array<OptionSpec, 5> kOptions = {{
    {"files", OptionKind::kChoice, "FILES", "split: files of max_shard_size; source: the source's own files", "split",
     kFilesChoices},
    {"max_shard_size", OptionKind::kBytes, "SIZE", "Close a file before it grows past this", "5GB"},
    {"order", OptionKind::kChoice, "ORDER", "Order of the tensors: of the index, of the files, or natural", "index",
     kOrderChoices},
    {"index", OptionKind::kChoice, "FORM", "Whose form the index has", "transformers", kIndexChoices},
    {"metadata", OptionKind::kChoice, "META", "__metadata__ of the files: format pt, or none", "pt", kMetadataChoices},
}};
constexpr const OptionSpec& kFiles = kOptions[0];
constexpr const OptionSpec& kMaxShardSize = kOptions[1];
constexpr const OptionSpec& kOrder = kOptions[2];
constexpr const OptionSpec& kIndex = kOptions[3];
constexpr const OptionSpec& kMetadata = kOptions[4];

Status CheckKeptFiles(const OptionValues& values, const Checkpoint& checkpoint) {
  for (const OptionSpec* const spec : {&kMaxShardSize, &kOrder, &kIndex}) {
    if (!values.Has(*spec)) continue;
    return Status::InvalidArgument(
        fmt::format("files=source has no {}: files, order and index are the source's own", spec->name));
  }
  if (checkpoint.storage() == Checkpoint::Storage::kSlices) {
    return Status::InvalidArgument(fmt::format(
        "files=source shows the source's own files, and those of {} hold slices of tensors; leave files=source out",
        checkpoint.path()));
  }
  const StateDict& tensors = checkpoint.tensors();
  for (std::uint32_t i = 0; i < tensors.specs().size(); ++i) {
    if (tensors.Origin(i).ends_with(".safetensors")) continue;
    return Status::InvalidArgument(fmt::format(
        "files=source shows the source's own safetensors files, and {} is stored in {}; leave files=source out",
        tensors.specs()[i].name, QuoteName(tensors.Origin(i))));
  }
  if (values.Has(kMetadata) && KeepsHeaders(checkpoint)) {
    return Status::InvalidArgument("files=source keeps the files' own headers here, so metadata cannot be chosen");
  }
  return Status::Ok();
}

}  // namespace

std::span<const OptionSpec> HuggingfaceOptions::Specs() { return kOptions; }

Result<HuggingfaceOptions> HuggingfaceOptions::Parse(const OptionValues& values, const Checkpoint& checkpoint) {
  HuggingfaceOptions options;
  options.keep_files = values.Text(kFiles) == "source";
  if (options.keep_files) SHARDFS_RETURN_IF_ERROR(CheckKeptFiles(values, checkpoint));
  options.max_shard_bytes = values.Bytes(kMaxShardSize).value_or(options.max_shard_bytes);
  const std::string order = values.Text(kOrder).value_or("index");
  options.order = order == "index" ? Order::kIndex : order == "file" ? Order::kFile : Order::kNatural;
  options.index = values.Text(kIndex) == "hub" ? IndexForm::kHub : IndexForm::kTransformers;
  options.has_metadata = values.Text(kMetadata) != "none";
  return options;
}

OptionPairs HuggingfaceOptions::InForce() const {
  const OptionPairs metadata = {{"metadata", has_metadata ? "pt" : "none"}};
  OptionPairs pairs = {{"files", keep_files ? "source" : "split"}};
  if (!keep_files) {
    pairs.emplace_back("max_shard_size", std::to_string(max_shard_bytes));
    pairs.emplace_back("order", kOrderChoices[static_cast<std::size_t>(order)]);
    pairs.emplace_back("index", index == IndexForm::kHub ? "hub" : "transformers");
  }
  pairs.insert(pairs.end(), metadata.begin(), metadata.end());
  return pairs;
}

}  // namespace shardfs
