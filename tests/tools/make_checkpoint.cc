// make_checkpoint: writes a checkpoint of made-up values for demonstrations, tests and benchmarks.
// Exit codes: 0 written, 1 failed while writing, 2 the command line is wrong or the directory not empty.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/checkpoint_writer.h"
#include "tools/model_presets.h"

namespace shardfs::tools {
namespace {

// An option that replaces one size of the preset. `member` is the size in a DeepSeek-V3 preset; nullptr: it has none.
// `key` is the size in the config.json of the other families; nullptr: Family::experts names it.
struct Dimension {
  const char* option;
  std::uint64_t DeepSeekShape::*member;
  const char* key;
  const char* description;
};

constexpr Dimension kDimensions[] = {
    {"--hidden", &DeepSeekShape::hidden, "hidden_size", "hidden_size"},
    {"--layers", &DeepSeekShape::layers, "num_hidden_layers", "num_hidden_layers, without the MTP layers"},
    {"--heads", &DeepSeekShape::heads, "num_attention_heads", "num_attention_heads"},
    {"--kv-heads", nullptr, "num_key_value_heads", "num_key_value_heads, where it differs from the heads"},
    {"--head-dim", nullptr, "head_dim", "head_dim"},
    {"--experts", &DeepSeekShape::experts, nullptr, "n_routed_experts, num_experts or num_local_experts"},
    {"--n-shared-experts", &DeepSeekShape::shared_experts, "n_shared_experts", "n_shared_experts"},
    {"--intermediate", &DeepSeekShape::intermediate, "intermediate_size", "intermediate_size, of a dense layer"},
    {"--moe-intermediate", &DeepSeekShape::moe_intermediate, "moe_intermediate_size",
     "moe_intermediate_size, of one expert"},
    {"--vocab", &DeepSeekShape::vocab, "vocab_size", "vocab_size"},
    {"--q-lora-rank", &DeepSeekShape::q_lora_rank, "q_lora_rank", "q_lora_rank"},
    {"--kv-lora-rank", &DeepSeekShape::kv_lora_rank, "kv_lora_rank", "kv_lora_rank"},
    {"--qk-nope-head-dim", &DeepSeekShape::qk_nope_head_dim, "qk_nope_head_dim", "qk_nope_head_dim"},
    {"--qk-rope-head-dim", &DeepSeekShape::qk_rope_head_dim, "qk_rope_head_dim", "qk_rope_head_dim"},
    {"--v-head-dim", &DeepSeekShape::v_head_dim, "v_head_dim", "v_head_dim"},
    {"--first-k-dense", &DeepSeekShape::first_k_dense, "first_k_dense_replace", "first_k_dense_replace"},
    {"--mtp-layers", &DeepSeekShape::mtp_layers, "num_nextn_predict_layers", "num_nextn_predict_layers"},
};

struct Arguments {
  std::string directory;
  std::string preset = "small";
  std::string dtype = "bf16";
  std::string max_file_size;
  std::optional<std::uint64_t> files;
  std::uint64_t seed = 0;
  bool sparse = false;
  std::string kind;
  std::string mtp_kind;
  std::string deq_scale;
  std::string offsets = "zero";
  std::optional<std::string> description_version;
  std::uint64_t group_size = 0;
  bool fa3 = false;
  bool anti = false;
  bool norm_bias = false;
  std::optional<std::uint64_t> dimensions[std::size(kDimensions)];
};

// "4.3GB", "512MiB", "1000000"; nothing when it is not a positive size.
std::optional<std::uint64_t> ParseSize(const std::string& text) {
  static constexpr std::pair<std::string_view, double> kUnits[] = {
      {"", 1}, {"B", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30},
  };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size());
  for (const auto& [name, factor] : kUnits) {
    const double bytes = std::floor(number * factor);
    if (unit == name && bytes >= 1 && bytes < 0x1p62) return static_cast<std::uint64_t>(bytes);
  }
  return std::nullopt;
}

std::string FormatSize(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KB", "MB", "GB", "TB"};
  double number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1000 && unit + 1 < std::size(kUnits); ++unit) number /= 1000;
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.2f} {}", number, kUnits[unit]);
}

// The preset's quantisation; with --kind, that of the options alone.
Result<Quantisation> QuantisationFrom(const Arguments& arguments, const Preset& preset) {
  Quantisation quantisation = preset.quantisation;
  if (!arguments.kind.empty()) {
    const auto kind = ParseCheckpointKind(arguments.kind);
    if (!kind) return Status::InvalidArgument("there is no kind " + arguments.kind);
    quantisation = {};
    quantisation.kind = *kind;
  }
  if (!arguments.mtp_kind.empty()) quantisation.quantised_mtp = arguments.mtp_kind == "quantised";
  if (arguments.fa3) quantisation.fa3 = true;
  if (arguments.norm_bias) quantisation.norms = NormStyle::kBiased;
  if (arguments.anti) quantisation.norms = NormStyle::kAnti;
  if (!arguments.deq_scale.empty()) quantisation.deq_scale = arguments.deq_scale == "i64" ? Dtype::kI64 : Dtype::kF32;
  if (arguments.group_size > 0) quantisation.group_size = arguments.group_size;
  if (arguments.description_version) quantisation.description_version = *arguments.description_version;
  return quantisation;
}

// The options that all families have; `files` is the number of files of the preset.
Result<WriteOptions> WriteOptionsFrom(const Arguments& arguments, std::uint64_t files) {
  WriteOptions options;
  options.files = arguments.files.value_or(arguments.max_file_size.empty() ? files : 0);
  if (!arguments.max_file_size.empty()) {
    const auto size = ParseSize(arguments.max_file_size);
    if (!size) {
      return Status::InvalidArgument("--max-file-size is \"" + arguments.max_file_size +
                                     "\", which is no size: give one like 4.3GB or 512MiB");
    }
    options.max_file_bytes = *size;
  }
  options.seed = arguments.seed;
  options.offsets = arguments.offsets == "random" ? Offsets::kRandom : Offsets::kZero;
  options.fill = arguments.sparse ? Fill::kSparse : Fill::kDense;
  return options;
}

Status HasNo(std::string_view family, std::string_view option) {
  return Status::InvalidArgument(fmt::format("the family {} has no {}: leave it out", family, option));
}

Dtype DtypeFrom(const Arguments& arguments) { return arguments.dtype == "f16" ? Dtype::kF16 : Dtype::kBF16; }

Result<CheckpointOptions> OptionsFrom(const Arguments& arguments, const Preset& preset) {
  CheckpointOptions options;
  SHARDFS_ASSIGN_OR_RETURN(static_cast<WriteOptions&>(options), WriteOptionsFrom(arguments, preset.files));
  options.shape = preset.shape;
  for (std::size_t i = 0; i < std::size(kDimensions); ++i) {
    if (!arguments.dimensions[i]) continue;
    if (kDimensions[i].member == nullptr) return HasNo("deepseek-v3", kDimensions[i].option);
    options.shape.*kDimensions[i].member = *arguments.dimensions[i];
  }
  options.shape.dtype = DtypeFrom(arguments);
  SHARDFS_ASSIGN_OR_RETURN(options.quantisation, QuantisationFrom(arguments, preset));
  return options;
}

// The preset's model with the sizes that the options replace.
Result<Model> ModelFrom(const Arguments& arguments, const ModelPreset& preset) {
  Model model = ModelOf(preset);
  const std::string_view family = model.family->name;
  const std::pair<bool, const char*> quantisation[] = {
      {!arguments.kind.empty() && arguments.kind != "float", "--kind"},
      {!arguments.mtp_kind.empty(), "--mtp-kind"},
      {!arguments.deq_scale.empty(), "--deq-scale"},
      {arguments.description_version.has_value(), "--description-version"},
      {arguments.group_size > 0, "--group-size"},
      {arguments.fa3, "--fa3"},
      {arguments.anti, "--anti"},
      {arguments.norm_bias, "--norm-bias"},
  };
  for (const auto& [given, option] : quantisation) {
    if (given) return HasNo(family, option);
  }
  for (std::size_t i = 0; i < std::size(kDimensions); ++i) {
    if (!arguments.dimensions[i]) continue;
    const auto& [option, member, common_key, description] = kDimensions[i];
    const std::string_view key = common_key != nullptr ? common_key : model.family->experts;
    if (!model.config.Has(key)) return HasNo(family, option);
    model.config.Set(key, *arguments.dimensions[i]);
  }
  model.config.SetTorchDtype(DtypeFrom(arguments));
  return model;
}

Result<CheckpointSummary> Write(const Arguments& arguments) {
  if (const Preset* preset = FindPreset(arguments.preset)) {
    SHARDFS_ASSIGN_OR_RETURN(const CheckpointOptions options, OptionsFrom(arguments, *preset));
    return WriteCheckpoint(arguments.directory, options);
  }
  const ModelPreset* preset = FindModelPreset(arguments.preset);
  if (preset == nullptr) return Status::InvalidArgument("there is no preset " + arguments.preset);
  SHARDFS_ASSIGN_OR_RETURN(const WriteOptions options, WriteOptionsFrom(arguments, preset->files));
  SHARDFS_ASSIGN_OR_RETURN(const Model model, ModelFrom(arguments, *preset));
  return WriteModel(arguments.directory, model, options);
}

int Run(const Arguments& arguments) {
  const auto summary = Write(arguments);
  if (!summary.ok()) {
    fmt::print(stderr, "make_checkpoint: {}\n", summary.status().message());
    return ToExitCode(summary.status().code());
  }
  fmt::print("{} tensors in {} files: {} apparent, {} on disk\n", summary->tensors, summary->files,
             FormatSize(summary->apparent_bytes), FormatSize(summary->disk_bytes));
  return 0;
}

// The end of --help: a line for each preset.
std::string PresetTable() {
  std::string table = "Presets:\n";
  const auto add = [&](std::string_view name, std::string_view family, const std::vector<NewTensor>& tensors) {
    std::uint64_t bytes = 0;
    for (const NewTensor& tensor : tensors) bytes += SizeOf(tensor);
    fmt::format_to(std::back_inserter(table), "  {:<22} {:<12} {:>7} tensors, {}\n", name, family, tensors.size(),
                   FormatSize(bytes));
  };
  for (const Preset& preset : Presets()) {
    add(preset.name, "deepseek-v3", CheckpointTensors(preset.shape, preset.quantisation));
  }
  for (const ModelPreset& preset : ModelPresets()) {
    add(preset.name, preset.family, FamilyTensors(ModelOf(preset)).value());
  }
  return table;
}

void AddQuantisationOptions(CLI::App& app, Arguments& arguments) {
  app.add_option("--kind", arguments.kind,
                 "how the weights of DeepSeek-V3 are stored; w8a8_mix has W8A8 attention and W8A8_DYNAMIC MLPs, w4a8 "
                 "and w4a8_group the same with routed experts of four bits, fp8 has blocks of 128 x 128 [default: the "
                 "preset's]")
      ->check(CLI::IsMember({"float", "w8a8", "w8a8_dynamic", "w8a8_mix", "w8a16", "w4a8", "w4a8_group", "fp8"}));
  app.add_option("--mtp-kind", arguments.mtp_kind, "of the MTP layers [default: the preset's, or float]")
      ->check(CLI::IsMember({"float", "quantised"}));
  app.add_flag("--fa3", arguments.fa3, "scales for a quantised KV cache (FAKQuant) in quantised attention");
  CLI::Option* anti = app.add_flag("--anti", arguments.anti, "the anti-outlier norms of old msModelSlim");
  app.add_flag("--norm-bias", arguments.norm_bias, "biases of the norms before W8A8 linears")->excludes(anti);
  app.add_option("--deq-scale", arguments.deq_scale, "dtype of W8A8's deq_scale [default: f32, i64 with --dtype f16]")
      ->check(CLI::IsMember({"f32", "i64"}));
  app.add_option("--group-size", arguments.group_size, "inputs to a group of w4a8_group [default: up to 256]")
      ->check(CLI::PositiveNumber);
  app.add_option("--description-version", arguments.description_version,
                 "of quant_model_description.json; empty for the old description [default: the preset's, or 1.0.0]");
  app.add_option("--offsets", arguments.offsets, "values of the offsets")
      ->check(CLI::IsMember({"zero", "random"}))
      ->capture_default_str();
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Writes a checkpoint of made-up values, with the tensors of a published model, into an empty or new directory.");
  app.footer(PresetTable);
  Arguments arguments;
  app.add_option("DIRECTORY", arguments.directory, "where to write")->required();
  std::vector<std::string> presets;
  for (const Preset& preset : Presets()) presets.emplace_back(preset.name);
  for (const ModelPreset& preset : ModelPresets()) presets.emplace_back(preset.name);
  app.add_option("--preset", arguments.preset,
                 "the family and the sizes to start from; the options below replace single sizes")
      ->check(CLI::IsMember(presets))
      ->capture_default_str();
  for (std::size_t i = 0; i < std::size(kDimensions); ++i) {
    app.add_option(kDimensions[i].option, arguments.dimensions[i], kDimensions[i].description)->type_name("N");
  }
  app.add_option("--dtype", arguments.dtype, "torch_dtype")
      ->check(CLI::IsMember({"bf16", "f16"}))
      ->capture_default_str();
  AddQuantisationOptions(app, arguments);
  CLI::Option* size = app.add_option("--max-file-size", arguments.max_file_size,
                                     "close a file before its tensors grow past this, for instance 4.3GB");
  app.add_option("--files", arguments.files, "write this many files of about one size [default: the preset's]")
      ->check(CLI::PositiveNumber)
      ->excludes(size);
  app.add_option("--seed", arguments.seed, "of the values")->capture_default_str();
  app.add_flag("--sparse", arguments.sparse,
               "leave holes for the values but for a few stamps in each tensor, to write any size in seconds");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return Run(arguments);
}

}  // namespace
}  // namespace shardfs::tools

int main(int argc, char** argv) { return shardfs::tools::Main(argc, argv); }
