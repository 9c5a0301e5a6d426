// Names tell which tensors are dequantised: N with elements of a byte, where the index (or, without one, the
// checkpoint) has N_scale_inv. Every scale goes, used or not; every other tensor stays as it is. config.json loses its
// quantization_config, and the index the entries of the scales that were used.
#include "transform/dequantize.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <unordered_map>

#include "base/quote_name.h"
#include "transform/dequantized_state_dict.h"

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 1> kChoices = {"bf16"};
constexpr std::array<OptionSpec, 1> kOptions = {{
    {"dequantize", OptionKind::kChoice, "bf16", "Show FP8 weights with block scales in this dtype", "as they are",
     kChoices},
}};
constexpr const OptionSpec& kDequantize = kOptions[0];

constexpr std::string_view kScaleSuffix = "_scale_inv";
constexpr std::uint32_t kGone = ~std::uint32_t{0};

std::string Describe(const TensorSpec& spec) {
  return fmt::format("{} {}", QuoteName(spec.name), ShapeToString(spec.shape));
}

// "[128]", "null": a value of config.json, for messages.
std::string Show(const JsonValue& value) {
  std::string text = DumpPythonJson(value, {.indent = 0});
  std::erase(text, '\n');
  return text;
}

// weight_block_size of the config, or 128 x 128 where it says nothing of a quantisation.
Result<Shape> BlockOf(const Checkpoint& checkpoint) {
  const auto config = checkpoint.config();
  if (config.status().code() == StatusCode::kNotFound) return Shape{128, 128};
  SHARDFS_RETURN_IF_ERROR(config.status());
  const JsonValue* const quantization = (*config)->Find("quantization_config");
  if (quantization == nullptr || quantization->is_null()) return Shape{128, 128};
  const JsonValue* const method = quantization->Find("quant_method");
  if (method == nullptr || !method->is_string() || method->text() != "fp8") {
    return Status::Corruption(
        fmt::format("dequantize: quantization_config.quant_method of config.json is {}, not \"fp8\"",
                    method == nullptr ? "missing" : Show(*method)));
  }
  const JsonValue* const sizes = quantization->Find("weight_block_size");
  Shape block;
  if (sizes != nullptr && sizes->is_array()) {
    for (const JsonValue& size : sizes->items()) {
      const auto number = size.AsInt64();
      if (number && *number > 0) block.push_back(static_cast<std::uint64_t>(*number));
    }
    if (block.size() == 2 && sizes->items().size() == 2) return block;
  }
  return Status::Corruption(
      fmt::format("dequantize: quantization_config.weight_block_size of config.json is {}, not two sizes",
                  sizes == nullptr ? "missing" : Show(*sizes)));
}

class Dequantization {
 public:
  Dequantization(const Checkpoint& checkpoint, Shape block)
      : checkpoint_(checkpoint), specs_(checkpoint.tensors().specs()), block_(std::move(block)) {}

  // Loaders go by the index, and so do the rules: it must be true.
  Status ReadIndex() {
    for (const CheckedIndex& index : checkpoint_.indices()) {
      if (index.name != kIndexName) continue;
      index_ = &index;
    }
    if (index_ == nullptr) {
      for (std::uint32_t i = 0; i < specs_.size(); ++i) Map(i);
      return Status::Ok();
    }
    std::vector<IndexDefect> untrue;
    for (const IndexDefect& defect : index_->defects) {
      if (defect.kind != IndexDefect::Kind::kNotMapped) untrue.push_back(defect);
    }
    if (!untrue.empty()) {
      return Status::Corruption(fmt::format("{} {}; dequantize needs a true index: correct or remove it",
                                            QuoteName(index_->name), DescribeIndexDefects(untrue)));
    }
    for (const std::uint32_t i : checkpoint_.index_order()) Map(i);
    return Status::Ok();
  }

  Status Match() {
    for (std::uint32_t i = 0; i < specs_.size(); ++i) {
      if (specs_[i].name.ends_with(kScaleSuffix)) continue;
      DequantizedTensor tensor{i, DequantizedTensor::kAsItIs};
      const auto scales = mapped_scales_.find(fmt::format("{}{}", specs_[i].name, kScaleSuffix));
      if (DtypeBits(specs_[i].dtype) == 8 && scales != mapped_scales_.end()) {
        SHARDFS_RETURN_IF_ERROR(CheckPair(specs_[i], specs_[scales->second]));
        tensor.scales = scales->second;
        used_.insert(scales->second);
      } else if (specs_[i].dtype == Dtype::kF8E4M3) {
        stays_.push_back(specs_[i].name);
      }
      tensors_.push_back(tensor);
    }
    return Status::Ok();
  }

  // What an engine's tool cut into slices was converted before: to ask for it again is a mistake about the source.
  Status CheckSlicesHaveCodes() const {
    if (!used_.empty() || checkpoint_.storage() != Checkpoint::Storage::kSlices) return Status::Ok();
    return Status::InvalidArgument(fmt::format(
        "dequantize: {} holds slices of tensors of which none is F8_E4M3; leave --dequantize out", checkpoint_.path()));
  }

  Result<CheckpointPtr> Take(const std::function<void(const std::string&)>& on_notice) {
    Checkpoint::Content content = checkpoint_.content();
    PutIndex(content);
    SHARDFS_RETURN_IF_ERROR(PutConfig(content));
    for (std::uint32_t i = 0; i < specs_.size(); ++i) {
      if (!specs_[i].name.ends_with(kScaleSuffix)) continue;
      const char* const reason = used_.contains(i) ? "scale of a weight that is shown as BF16"
                                                   : "scale without an F8_E4M3 weight of that name";
      content.ignored.push_back({std::string(specs_[i].name), reason, BytesOf(specs_[i])});
    }
    NameEmptyFiles(content);
    Warn(content.warnings);
    content.transforms.push_back({"dequantize", Account()});
    content.tensors = std::make_shared<const DequantizedStateDict>(checkpoint_.shared_tensors(), std::move(tensors_),
                                                                   block_, CountNans(on_notice, &content.notices));
    return std::make_shared<const Checkpoint>(std::move(content));
  }

 private:
  void Map(std::uint32_t i) {
    if (specs_[i].name.ends_with(kScaleSuffix)) mapped_scales_.emplace(specs_[i].name, i);
  }

  Status CheckPair(const TensorSpec& weight, const TensorSpec& scales) const {
    if (weight.dtype != Dtype::kF8E4M3) {
      return Status::Corruption(fmt::format("{} is {} and has a {}; only F8_E4M3 is dequantised",
                                            QuoteName(weight.name), DtypeName(weight.dtype), QuoteName(scales.name)));
    }
    const bool is_scale = IsFloat(scales.dtype) || scales.dtype == Dtype::kF8E8M0;
    if (!is_scale) {
      return Status::Corruption(
          fmt::format("{} is {}, not F32, BF16, F16 or F8_E8M0", QuoteName(scales.name), DtypeName(scales.dtype)));
    }
    if (weight.shape.size() != 2 || scales.shape.size() != 2) {
      return Status::Corruption(
          fmt::format("{} and its scale {} must both be 2-D", Describe(weight), Describe(scales)));
    }
    const Shape blocks = {CeilDivide(weight.shape[0], block_[0]), CeilDivide(weight.shape[1], block_[1])};
    if (scales.shape == blocks) return Status::Ok();
    return Status::Corruption(fmt::format("{} is {}, but {} has {} blocks of {} x {}", QuoteName(scales.name),
                                          ShapeToString(scales.shape), Describe(weight), ShapeToString(blocks),
                                          block_[0], block_[1]));
  }

  static std::uint64_t CeilDivide(std::uint64_t size, std::uint64_t block) {
    return size / block + (size % block == 0 ? 0 : 1);
  }

  // The source's entries in their order, less the scales that were used; scales of nothing stay as entries alone.
  void PutIndex(Checkpoint::Content& content) const {
    std::vector<std::uint32_t> place(specs_.size(), kGone);
    for (std::uint32_t i = 0; i < tensors_.size(); ++i) place[tensors_[i].index] = i;
    content.index_order.clear();
    content.parts = nullptr;
    content.dangling.clear();
    std::uint32_t position = 0;
    for (const std::uint32_t i : checkpoint_.index_order()) {
      if (used_.contains(i)) continue;
      if (place[i] != kGone) {
        content.index_order.push_back(place[i]);
      } else {
        content.dangling.push_back(
            {position, std::string(specs_[i].name), std::string(checkpoint_.tensors().Origin(i))});
      }
      ++position;
    }
  }

  Status PutConfig(Checkpoint::Content& content) const {
    const auto config = checkpoint_.config();
    if (!config.ok()) return Status::Ok();
    std::vector<JsonMember> members;
    for (const JsonMember& member : (*config)->members()) {
      if (member.first != "quantization_config") members.push_back(member);
    }
    std::string text =
        DumpPythonJson(JsonValue::Object(std::move(members)), {.indent = 2, .ensure_ascii = false}) + "\n";
    for (CompanionFile& file : content.files) {
      if (file.name != "config.json") continue;
      file.size = text.size();
      file.text = std::make_shared<const std::string>(std::move(text));
      break;
    }
    return Status::Ok();
  }

  void NameEmptyFiles(Checkpoint::Content& content) const {
    std::set<std::string_view> kept;
    for (const DequantizedTensor& tensor : tensors_) kept.insert(checkpoint_.tensors().Origin(tensor.index));
    for (const auto& file : checkpoint_.sources().files()) {
      if (!kept.contains(file->name())) content.empty_files.push_back(file->name());
    }
  }

  void Warn(std::vector<std::string>& warnings) const {
    constexpr std::size_t kShown = 10;
    if (used_.empty()) warnings.push_back("dequantize changes no tensor: none is F8_E4M3 with a scale for each block");
    if (stays_.empty()) return;
    const auto shown = std::span(stays_).first(std::min(stays_.size(), kShown));
    warnings.push_back(fmt::format("{} F8_E4M3 {} without a scale that the {} has, and {} FP8: {}{}", stays_.size(),
                                   stays_.size() == 1 ? "tensor is" : "tensors are",
                                   index_ != nullptr ? "index" : "checkpoint", stays_.size() == 1 ? "stays" : "stay",
                                   fmt::join(shown, ", "), stays_.size() > kShown ? ", ..." : ""));
  }

  // "1,342 tensors from FP8 to BF16": for `plan`.
  std::string Account() const {
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    for (const DequantizedTensor& tensor : tensors_) {
      if (tensor.scales == DequantizedTensor::kAsItIs) continue;
      before += BytesOf(specs_[tensor.index]) + BytesOf(specs_[tensor.scales]);
      after += 2 * BytesOf(specs_[tensor.index]);
    }
    return fmt::format("{} tensor{} from FP8 to BF16 in blocks of {} x {} ({} bytes become {}), {} left as FP8",
                       used_.size(), used_.size() == 1 ? "" : "s", block_[0], block_[1], before, after, stays_.size());
  }

  // Counts the reads that meet a NaN code, and tells the first of all.
  static std::function<void(std::string_view)> CountNans(const std::function<void(const std::string&)>& on_notice,
                                                         std::vector<ReadNotice>* notices) {
    const auto reads = std::make_shared<std::atomic<std::uint64_t>>(0);
    notices->push_back({"reads met FP8 codes that are NaN (0x7F or 0xFF)", reads});
    return [on_notice, reads](std::string_view name) {
      if (reads->fetch_add(1, std::memory_order_relaxed) != 0 || !on_notice) return;
      on_notice(fmt::format("{} has FP8 codes that are NaN (0x7F or 0xFF); they are shown as NaN", QuoteName(name)));
    };
  }

  const Checkpoint& checkpoint_;
  const std::span<const TensorSpec> specs_;
  const Shape block_;
  const CheckedIndex* index_ = nullptr;
  std::unordered_map<std::string, std::uint32_t> mapped_scales_;
  std::vector<DequantizedTensor> tensors_;
  std::set<std::uint32_t> used_;  // scales
  std::vector<std::string_view> stays_;
};

}  // namespace

std::span<const OptionSpec> DequantizeTransform::options() const { return kOptions; }

bool DequantizeTransform::IsAskedFor(const OptionValues& values) const { return values.Has(kDequantize); }

Result<CheckpointPtr> DequantizeTransform::Apply(const CheckpointPtr& checkpoint, const OptionValues& /*values*/,
                                                 const TransformContext& context) const {
  SHARDFS_ASSIGN_OR_RETURN(Shape block, BlockOf(*checkpoint));
  Dequantization dequantization(*checkpoint, std::move(block));
  SHARDFS_RETURN_IF_ERROR(dequantization.ReadIndex());
  SHARDFS_RETURN_IF_ERROR(dequantization.Match());
  SHARDFS_RETURN_IF_ERROR(dequantization.CheckSlicesHaveCodes());
  return dequantization.Take(context.on_notice);
}

}  // namespace shardfs
