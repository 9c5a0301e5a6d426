#include "layout/file_by_file/ckpt_layout.h"

#include <array>

#include "layout/file_by_file/file_by_file.h"
#include "view/entries_file.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, kFileByFileOptions.size() + 1> kOptions = {
    {kFileByFileOptions[0],
     kFileByFileOptions[1],
     kFileByFileOptions[2],
     {"chunk", OptionKind::kBytes, "SIZE", "Most bytes of a tensor in one entry", "512MiB"}}};
constexpr const OptionSpec& kChunk = kOptions[3];

}  // namespace

std::span<const OptionSpec> CkptLayout::options() const { return kOptions; }

Result<View> CkptLayout::Build(const CheckpointPtr& checkpoint, const OptionValues& values,
                               const ViewContext& /*context*/) const {
  const std::uint64_t chunk = values.Bytes(kChunk).value_or(kCkptChunkBytes);
  SHARDFS_ASSIGN_OR_RETURN(FileByFile files, FileByFile::Create(checkpoint, values, ".ckpt"));
  std::vector<IgnoredTensor> empty;
  const auto make = [&](const ShownFile& file) -> Result<std::unique_ptr<const VirtualFile>> {
    std::vector<PlannedEntry> entries;
    entries.reserve(file.shown.size());
    for (const ShownTensor& tensor : file.shown) {
      const TensorSpec& spec = file.tensors->specs()[tensor.index];
      if (BytesOf(spec) == 0) {
        empty.push_back({std::string(spec.name), "it has no element, and a .ckpt has no entry for such a tensor", 0});
        continue;
      }
      SHARDFS_ASSIGN_OR_RETURN(const TensorPtr built, file.tensors->Build(tensor.index));
      SHARDFS_ASSIGN_OR_RETURN(PlannedTensor one, PlanTensor(tensor.name, built));
      entries.push_back({std::move(one), tensor.is_int4});
    }
    if (entries.empty()) return Status::NotSupported("no tensor is left to show in it");
    return MakeEntriesFile(std::move(entries), chunk, checkpoint);
  };
  SHARDFS_ASSIGN_OR_RETURN(View view, files.Build(name(), make, {{"chunk", std::to_string(chunk)}}));
  view.ignored.insert(view.ignored.end(), empty.begin(), empty.end());
  return view;
}

}  // namespace shardfs
