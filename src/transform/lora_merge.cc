// An adapter's replacements come first, those of base layers among them, then its modules: each finds its weight in the
// base by name, and its shape says which of the weight's axes are rows of B and which are columns of A. Nothing is
// passed over: a name that the base does not have belongs to another model.
#include "transform/lora_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/quote_name.h"

namespace shardfs {
namespace {

std::string Describe(const TensorSpec& spec) {
  return fmt::format("{} {} {}", QuoteName(spec.name), DtypeName(spec.dtype), ShapeToString(spec.shape));
}

// Whether config.json, or the part of it about the text model, has tie_word_embeddings.
bool HasTiedEmbeddings(const Checkpoint& base) {
  const auto config = base.config();
  if (!config.ok()) return false;
  const JsonValue* const text = (*config)->Find("text_config");
  for (const JsonValue* const part : {*config, text}) {
    const JsonValue* const tied = part == nullptr ? nullptr : part->Find("tie_word_embeddings");
    if (tied != nullptr && tied->AsBool().value_or(false)) return true;
  }
  return false;
}

// Whether a path such as "model.embed_tokens.weight" has the component `name`.
bool HasComponent(std::string_view path, std::string_view name) {
  for (std::size_t at = 0; (at = path.find(name, at)) != std::string_view::npos; ++at) {
    const std::size_t end = at + name.size();
    if ((at == 0 || path[at - 1] == '.') && (end == path.size() || path[end] == '.')) return true;
  }
  return false;
}

Status CheckBaseDtype(const TensorSpec& spec) {
  if (IsFloat(spec.dtype)) return Status::Ok();
  const bool is_fp8 = spec.dtype == Dtype::kF8E4M3;
  return Status::NotSupported(
      fmt::format("the checkpoint's {} is {}, and only F32, F16 and BF16 weights take an adapter; {}",
                  QuoteName(spec.name), DtypeName(spec.dtype),
                  is_fp8 ? "add --dequantize bf16, which comes before lora"
                         : "take the checkpoint before it was quantised, merge the adapter, and quantise the result"));
}

}  // namespace

LoraMerge::LoraMerge(const Checkpoint& base) : base_(base), has_tied_embeddings_(HasTiedEmbeddings(base)) {}

Status LoraMerge::Add(const std::shared_ptr<const LoraAdapter>& adapter) {
  adapter_ = adapter;
  tensors_ = LoraAdapter::TensorsOf(adapter);
  done_.clear();
  merged_.clear();
  replaced_ = biases_ = 0;
  const auto add = [this]() -> Status {
    SHARDFS_RETURN_IF_ERROR(CheckPatterns());
    for (const LoraReplacement& replacement : adapter_->replacements()) {
      SHARDFS_RETURN_IF_ERROR(Replace(replacement));
    }
    for (const LoraModule& module : adapter_->modules()) SHARDFS_RETURN_IF_ERROR(Merge(module));
    return Status::Ok();
  };
  const Status status = add();
  return status.ok() ? status : status.WithContext(fmt::format("lora: adapter {}", QuoteName(adapter->path())));
}

Result<std::uint32_t> LoraMerge::FindTarget(const std::string& name, std::string_view adapter_tensor) const {
  const auto found = base_.tensors().Find(name);
  if (found) {
    SHARDFS_RETURN_IF_ERROR(CheckBaseDtype(base_.tensors().specs()[*found]));
    return *found;
  }
  const std::string module = name.substr(0, name.rfind('.') == std::string::npos ? 0 : name.rfind('.'));
  for (const char* const quantised : {".qweight", ".weight_packed", ".weight_quantized"}) {
    if (!base_.tensors().Find(module + quantised)) continue;
    return Status::NotSupported(fmt::format(
        "tensor {} is of {}, which the checkpoint has quantised as {}; take the checkpoint before it was quantised, "
        "merge the adapter, and quantise the result",
        QuoteName(adapter_tensor), QuoteName(name), QuoteName(module + quantised)));
  }
  return Status::Corruption(
      fmt::format("tensor {} changes {}, which the checkpoint does not have; the adapter belongs to another model, or "
                  "to another class of this one",
                  QuoteName(adapter_tensor), QuoteName(name)));
}

Status LoraMerge::CheckTie(const std::string& name, bool is_embedding) const {
  if (!has_tied_embeddings_) return Status::Ok();
  if (!is_embedding && !HasComponent(name, "embed_tokens") && !HasComponent(name, "lm_head")) return Status::Ok();
  return Status::NotSupported(
      fmt::format("it changes {}, and config.json has \"tie_word_embeddings\": true, so both sides of the tie would "
                  "change; merge the adapter with PEFT",
                  QuoteName(name)));
}

Status LoraMerge::Replace(const LoraReplacement& replacement) {
  const TensorSpec& spec = SpecOf(replacement.tensor);
  SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t index, FindTarget(replacement.target, spec.name));
  const TensorSpec& target = base_.tensors().specs()[index];
  SHARDFS_RETURN_IF_ERROR(CheckTie(replacement.target, false));
  if (spec.shape != target.shape) {
    return Status::Corruption(fmt::format("tensor {} is to replace the checkpoint's {}, which has another shape",
                                          Describe(spec), Describe(target)));
  }
  Done& done = done_[index];
  if (done.is_replaced || done.is_layer_replaced) {
    return Status::Corruption(fmt::format("two tensors are to replace the checkpoint's {}, {} the second of them",
                                          QuoteName(target.name), QuoteName(spec.name)));
  }
  (replacement.is_base_layer ? done.is_layer_replaced : done.is_replaced) = true;
  LoraChange change;
  change.kind = LoraChange::Kind::kReplace;
  change.from = tensors_;
  change.b = replacement.tensor;
  changes_[index].push_back(std::move(change));
  ++replaced_;
  return Status::Ok();
}

// Every key is tried with every module's path.
Status LoraMerge::CheckPatterns() const {
  constexpr double kMost = 2e11;  // a minute or so, where the keys are made to be slow; thousands of names take none
  double characters = 0;
  for (const LoraModule& module : adapter_->modules()) characters += static_cast<double>(module.path.size());
  if (characters * static_cast<double>(adapter_->config().pattern_size()) <= kMost) return Status::Ok();
  return Status::NotSupported(
      fmt::format("{} has too many patterns for {} modules", kLoraConfigName, adapter_->modules().size()));
}

// A linear layer is [out, in] or, with fan_in_fan_out, [in, out]; where only the other fits, that is what it is.
Result<std::vector<LoraAxis>> LoraMerge::AxesOf(const LoraModule& module, std::uint64_t rank,
                                                const TensorSpec& weight) const {
  using enum LoraAxis;
  const Shape& a = SpecOf(module.a).shape;
  const Shape& b = SpecOf(module.b).shape;
  const auto misfit = [&] {
    return Status::Corruption(fmt::format("{} and {} do not fit the checkpoint's {}", Describe(SpecOf(module.b)),
                                          Describe(SpecOf(module.a)), Describe(weight)));
  };
  if (a.size() < 2 || b.size() != a.size() || a[0] != b[1]) return misfit();
  if (a[0] != rank) {
    return Status::Corruption(fmt::format("{} has rank {}, and {} gives module {} rank {}", Describe(SpecOf(module.a)),
                                          a[0], kLoraConfigName, QuoteName(module.path), rank));
  }
  if (a.size() > 2) {  // a convolution: [r, in, ...] and [out, r, 1, ...]
    Shape merged = a;
    merged[0] = b[0];
    const bool has_ones = std::all_of(b.begin() + 2, b.end(), [](std::uint64_t size) { return size == 1; });
    if (!has_ones || weight.shape != merged || module.is_embedding) return misfit();
    std::vector<LoraAxis> axes(a.size(), kColumnsOfA);
    axes[0] = kRowsOfB;
    return axes;
  }
  const std::vector<LoraAxis> linear = {kRowsOfB, kColumnsOfA};
  const std::vector<LoraAxis> transposed = {kColumnsOfA, kRowsOfB};
  const bool fits_linear = weight.shape == Shape{b[0], a[1]};
  const bool fits_transposed = weight.shape == Shape{a[1], b[0]};
  if (module.is_embedding) return fits_transposed ? Result<std::vector<LoraAxis>>(transposed) : misfit();
  if (!fits_linear && !fits_transposed) return misfit();
  const bool is_transposed = fits_transposed && (adapter_->config().fan_in_fan_out() || !fits_linear);
  return is_transposed ? transposed : linear;
}

Status LoraMerge::Merge(const LoraModule& module) {
  const std::string name = module.path + ".weight";
  SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t index, FindTarget(name, SpecOf(module.a).name));
  SHARDFS_RETURN_IF_ERROR(CheckTie(name, module.is_embedding));
  const TensorSpec& weight = base_.tensors().specs()[index];
  Done& done = done_[index];
  if (done.is_replaced) {
    return Status::Corruption(fmt::format("it both replaces {} and has factors for it, {} first", QuoteName(name),
                                          QuoteName(SpecOf(module.a).name)));
  }
  done.is_merged = true;
  LoraChange change;
  change.from = tensors_;
  change.a = module.a;
  change.b = module.b;
  const LoraConfig::Module settings = adapter_->config().ModuleOf(module.path);
  SHARDFS_ASSIGN_OR_RETURN(change.axes, AxesOf(module, settings.rank, weight));
  change.scaling = settings.scaling;
  if (!std::isfinite(static_cast<float>(change.scaling))) {
    return Status::NotSupported(fmt::format("the scaling of module {} is {}, which is more than an F32 holds",
                                            QuoteName(module.path), change.scaling));
  }
  change.rounds_product = module.is_embedding;
  ++merged_[change.scaling];
  const double scaling = change.scaling;
  changes_[index].push_back(std::move(change));
  return AddBias(module, scaling);
}

Status LoraMerge::AddBias(const LoraModule& module, double scaling) {
  if (!module.bias) return Status::Ok();
  if (!adapter_->config().lora_bias()) {
    return Status::Corruption(
        fmt::format("it has {}, but {} does not set lora_bias", QuoteName(SpecOf(*module.bias).name), kLoraConfigName));
  }
  const TensorSpec& spec = SpecOf(*module.bias);
  SHARDFS_ASSIGN_OR_RETURN(const std::uint32_t index, FindTarget(module.path + ".bias", spec.name));
  const TensorSpec& bias = base_.tensors().specs()[index];
  if (spec.shape.size() != 1 || bias.shape != spec.shape) {
    return Status::Corruption(fmt::format("{} does not fit the checkpoint's {}", Describe(spec), Describe(bias)));
  }
  if (done_[index].is_replaced) {
    return Status::Corruption(
        fmt::format("it both replaces {} and adds to it by {}", QuoteName(bias.name), QuoteName(spec.name)));
  }
  LoraChange change;
  change.kind = LoraChange::Kind::kAddBias;
  change.from = tensors_;
  change.b = *module.bias;
  change.scaling = scaling;
  changes_[index].push_back(std::move(change));
  ++biases_;
  return Status::Ok();
}

std::string LoraMerge::Account() const {
  constexpr std::size_t kShown = 6;
  std::size_t weights = 0;
  std::vector<std::string> scalings;
  for (const auto& [scaling, count] : merged_) {
    weights += count;
    scalings.push_back(merged_.size() == 1 ? fmt::format("{}", scaling) : fmt::format("{} ({})", scaling, count));
  }
  if (scalings.size() > kShown) {
    scalings.resize(kShown);
    scalings.push_back("...");
  }
  std::string account = fmt::format("{} weight{} merged", weights, weights == 1 ? "" : "s");
  if (weights > 0) account += fmt::format(" at scaling {}", fmt::join(scalings, ", "));
  if (biases_ > 0) account += fmt::format(", {} bias{} added to", biases_, biases_ == 1 ? "" : "es");
  if (replaced_ > 0) account += fmt::format(", {} tensor{} replaced", replaced_, replaced_ == 1 ? "" : "s");
  return account + fmt::format(" by {}", QuoteName(adapter_->path()));
}

}  // namespace shardfs
