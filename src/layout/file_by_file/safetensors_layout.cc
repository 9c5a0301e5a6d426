#include "layout/file_by_file/safetensors_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "layout/file_by_file/file_by_file.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, kFileByFileOptions.size() + 1> kOptions = {
    {kFileByFileOptions[0],
     kFileByFileOptions[1],
     kFileByFileOptions[2],
     {"format_version", OptionKind::kText, "VERSION",
      "Version of MindSpore whose form the files have; up to 2.6 without __metadata__", "2.7"}}};
constexpr const OptionSpec& kFormatVersion = kOptions[3];

// Whether files of that version have __metadata__: from 2.7 on.
Result<bool> HasMetadata(const std::string& version) {
  const std::size_t dot = version.find('.');
  const std::size_t end = dot == version.npos ? dot : version.find('.', dot + 1);
  const auto major = ParseNumber<std::uint32_t>(version.substr(0, dot));
  const auto minor =
      dot == version.npos ? std::nullopt : ParseNumber<std::uint32_t>(version.substr(dot + 1, end - dot - 1));
  if (!major || !minor) {
    return Status::InvalidArgument(
        fmt::format("format_version: {} is no version of MindSpore, such as 2.6 or 2.7", QuoteName(version)));
  }
  return std::pair(*major, *minor) >= std::pair(2u, 7u);
}

FileMetadata MetadataOf(const ShownFile& file) {
  FileMetadata metadata = {{"format", "ms"}};
  for (const ShownTensor& tensor : file.shown) {
    if (tensor.is_int4) metadata.emplace_back(tensor.name, "Int4");
  }
  std::sort(metadata.begin(), metadata.end());  // the reference's order is random
  return metadata;
}

}  // namespace

std::span<const OptionSpec> SafetensorsLayout::options() const { return kOptions; }

Result<View> SafetensorsLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                                      const ViewContext& /*context*/) const {
  const std::string version = values.Text(kFormatVersion).value_or("2.7");
  SHARDFS_ASSIGN_OR_RETURN(const bool has_metadata, HasMetadata(version));
  SHARDFS_ASSIGN_OR_RETURN(FileByFile files, FileByFile::Create(checkpoint, values, ".safetensors"));
  const auto make = [&](const ShownFile& file) -> Result<std::unique_ptr<const VirtualFile>> {
    if (file.shown.empty()) return Status::NotSupported("no tensor is left to show in it");
    std::vector<PlannedTensor> planned;
    planned.reserve(file.shown.size());
    for (const ShownTensor& tensor : file.shown) {
      SHARDFS_ASSIGN_OR_RETURN(const TensorPtr built, file.tensors->Build(tensor.index));
      SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(tensor.name, built));
      planned.push_back(std::move(one));
    }
    return MakePlannedFile(std::move(planned), checkpoint, has_metadata ? MetadataOf(file) : FileMetadata{});
  };
  return files.Build(name(), make, {{"format_version", has_metadata ? "2.7" : "2.6"}});
}

}  // namespace shardfs
