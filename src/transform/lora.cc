// Adapters are merged in the order in which they are given, each into the result of those before it, whose weights are
// rounded to their dtype by then. Only bytes of tensors change: names, dtypes, shapes, files and headers are the
// base's.
#include "transform/lora.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numeric>

#include "base/quote_name.h"
#include "transform/lora_adapter.h"
#include "transform/lora_merge.h"
#include "transform/lora_parameters.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, 2> kOptions = {{
    {"lora", OptionKind::kList, "DIR", "Merge the PEFT adapter in this directory; again for more, in order", "none"},
    {"lora_scaling", OptionKind::kText, "S",
     "Merge the LoRA parameters inside the checkpoint (mindformers' names) at this scaling", "they stay"},
}};
constexpr const OptionSpec& kLora = kOptions[0];
constexpr const OptionSpec& kLoraScaling = kOptions[1];

Result<CheckpointPtr> MergeAdapters(const Checkpoint& checkpoint, const std::vector<std::string>& directories) {
  Checkpoint::Content content = checkpoint.content();
  LoraMerge merge(checkpoint);
  for (std::size_t i = 0; i < directories.size(); ++i) {
    const std::string label = i == 0 ? "lora" : fmt::format("lora{}", i + 1);
    SHARDFS_ASSIGN_OR_RETURN(const auto adapter, LoraAdapter::Open(directories[i], label));
    SHARDFS_RETURN_IF_ERROR(merge.Add(adapter));
    content.sources = SourceSet::Join(*content.sources, adapter->sources());
    const char* const order = i == 0 ? "" : ", behind the adapter before it, which has rounded";
    content.transforms.push_back({"lora", merge.Account() + order, true});
  }
  std::vector<std::uint32_t> all(checkpoint.tensors().specs().size());
  std::iota(all.begin(), all.end(), std::uint32_t{0});
  content.parts = nullptr;
  content.tensors =
      std::make_shared<const LoraStateDict>(checkpoint.shared_tensors(), std::move(all), merge.TakeChanges());
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace

std::span<const OptionSpec> LoraTransform::options() const { return kOptions; }

bool LoraTransform::IsAskedFor(const OptionValues& values) const {
  return values.Has(kLora) || values.Has(kLoraScaling);
}

Result<CheckpointPtr> LoraTransform::Apply(const CheckpointPtr& checkpoint, const OptionValues& values,
                                           const TransformContext& /*context*/) const {
  const auto scaling = values.Text(kLoraScaling);
  if (!scaling) return MergeAdapters(*checkpoint, values.List(kLora));
  if (values.Has(kLora)) {
    return Status::InvalidArgument(
        "lora merges an adapter beside the checkpoint, and lora_scaling the LoRA parameters inside it; give one of "
        "them, and merge the other into what the first has written");
  }
  const auto number = ParseLoraNumber(*scaling);
  if (!number || !std::isfinite(static_cast<float>(*number))) {
    return Status::InvalidArgument(
        fmt::format("lora_scaling is {}, not a number such as 2 or 0.5 (alpha / rank)", QuoteName(*scaling)));
  }
  return MergeLoraParameters(*checkpoint, *number);
}

}  // namespace shardfs
