// make_mindspore_checkpoint: writes a MindSpore checkpoint of made-up values as training saves it, checkpoint/rank_<r>/
// and strategy/, at any parallel sizes.
// Exit codes: 0 written, 1 failed while writing, 2 the command line is wrong or the directory not empty.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "tools/mindspore_writer.h"

namespace shardfs::tools {
namespace {

struct Arguments {
  std::string directory;
  std::string preset = "llama-small";
  std::string strategies = "stage";
  std::optional<std::uint64_t> layers;
  bool sparse = false;
  bool tied = false;
  bool no_stamps = false;
  bool no_hyper = false;
  MindSporeOptions options;
};

void AddOptions(CLI::App& app, Arguments& arguments) {
  std::vector<std::string> presets;
  for (const MindSporePreset& preset : MindSporePresets()) presets.emplace_back(preset.name);
  MindSporeOptions& options = arguments.options;
  app.add_option("DIRECTORY", arguments.directory, "where to write")->required();
  app.add_option("--preset", arguments.preset, "the model")->check(CLI::IsMember(presets))->capture_default_str();
  app.add_option("--layers", arguments.layers, "layers [default: the preset's]");
  app.add_flag("--tied", arguments.tied, "the last stage has the embedding too, and there is no lm_head");
  app.add_option("--dp", options.sizes.dp, "data-parallel ranks")->capture_default_str();
  app.add_option("--tp", options.sizes.tp, "tensor-parallel ranks")->capture_default_str();
  app.add_option("--pp", options.sizes.pp, "pipeline stages")->capture_default_str();
  app.add_option("--ep", options.sizes.ep, "expert-parallel ranks, of the data-parallel ones")->capture_default_str();
  app.add_option("--optimizer-shard", options.sizes.optimizer_shard, "parts; 0: none; -1: as many as replicas")
      ->capture_default_str();
  app.add_option("--moments", options.moments, "moments of the optimizer for each weight: 0, 1 or 2")
      ->check(CLI::Range(0, 2))
      ->capture_default_str();
  app.add_flag("--accu-grads", options.accumulated_grads, "gradients that are accumulated, accu_grads.<name>");
  app.add_flag("--no-hyper", arguments.no_hyper, "leave epoch_num, loss_scale and the like out");
  app.add_flag("--redundancy-removed", options.redundancy_removed, "each distinct slice is kept by one rank alone");
  app.add_flag("--nested-maps", options.nested_maps, "tensor maps with a list for each axis");
  app.add_flag("--json", options.json, "strategies as JSON");
  app.add_option("--strategies", arguments.strategies, "a strategy file for each rank, each stage, or one merged")
      ->check(CLI::IsMember({"rank", "stage", "merged"}))
      ->capture_default_str();
  app.add_option("--prefix", options.prefix, "of the files")->capture_default_str();
  app.add_option("--epoch", options.epoch, "in the files' names")->capture_default_str();
  app.add_option("--step", options.step, "in the files' names")->capture_default_str();
  app.add_option("--seed", options.seed, "of the values")->capture_default_str();
  app.add_flag("--sparse", arguments.sparse, "leave holes for the values but for a few stamps in each parameter");
  app.add_flag("--no-stamps", arguments.no_stamps, "with --sparse: leave the stamps out as well");
}

int Run(Arguments& arguments) {
  MindSporeOptions& options = arguments.options;
  options.shape = FindMindSporePreset(arguments.preset)->shape;
  options.shape.layers = arguments.layers.value_or(options.shape.layers);
  options.shape.tied = options.shape.tied || arguments.tied;
  options.fill = arguments.sparse ? Fill::kSparse : Fill::kDense;
  options.stamps = !arguments.no_stamps;
  options.hyper_parameters = !arguments.no_hyper;
  options.strategies = arguments.strategies == "rank"    ? MindSporeOptions::StrategyFiles::kEachRank
                       : arguments.strategies == "stage" ? MindSporeOptions::StrategyFiles::kEachStage
                                                         : MindSporeOptions::StrategyFiles::kMerged;
  const auto written = WriteMindSpore(arguments.directory, options);
  if (!written.ok()) {
    fmt::print(stderr, "make_mindspore_checkpoint: {}\n", written.status().message());
    return ToExitCode(written.status().code());
  }
  fmt::print("{} slices in {} files: {} bytes apparent, {} on disk\n", written->tensors, written->files,
             written->apparent_bytes, written->disk_bytes);
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Writes a MindSpore checkpoint of made-up values, as training saves it, into an empty or new directory.");
  Arguments arguments;
  AddOptions(app, arguments);
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
