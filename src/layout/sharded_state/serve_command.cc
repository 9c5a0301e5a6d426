#include "layout/sharded_state/serve_command.h"

#include <fmt/format.h>

#include "layout/sharded_state/sharded_options.h"

namespace shardfs {
namespace {

ReleaseNumber Release(std::string_view text) { return ReleaseNumber::Parse(text).value(); }

}  // namespace

bool DerivesLatentWeightsEarly(const ModelShape& shape, const EngineNames& names) {
  return names.engine == kVllm && shape.mla && names.release >= Release("0.7.1") &&
         names.release.ComparedWithSeries(Release("0.9.0")) <= 0;
}

bool LoadsBehindBackend(const EngineNames& names) { return names.engine == kVllm && names.release < Release("0.9.1"); }

std::string ServeCommand(const ModelShape& shape, const EngineNames& names, const ShardedCut& cut,
                         const std::string& directory) {
  const std::string dtype = shape.dtype == Dtype::kF32 ? " --dtype float32" : "";
  if (names.engine == kVllm) {
    return fmt::format("{}vllm serve {} --load-format sharded_state --tensor-parallel-size {}{}{}",
                       DerivesLatentWeightsEarly(shape, names) ? "VLLM_MLA_DISABLE=1 " : "", directory, cut.tp,
                       cut.expert_parallel ? " --enable-expert-parallel" : "", dtype);
  }
  std::string command = fmt::format(
      "python3 -m sglang.launch_server --model-path {} --load-format sharded_state --tp-size {}", directory, cut.tp);
  if (cut.expert_parallel) command += fmt::format(" --ep-size {}", cut.tp);
  if (shape.HasMoeLayers()) command += " --moe-runner-backend triton";
  const bool is_deepseek = shape.experts_kind == ModelShape::Experts::kDeepseek;
  if (is_deepseek && !cut.fuses_shared_experts) command += " --disable-shared-experts-fusion";
  return command + dtype;
}

std::vector<std::string> EngineWarnings(const ModelShape& shape, const EngineNames& names, const ShardedCut& cut) {
  std::vector<std::string> warnings;
  if (names.engine == kVllm && cut.expert_parallel && cut.tp == 1) {
    warnings.emplace_back(
        "with one rank vLLM takes no notice of --enable-expert-parallel and has no map of experts, so it refuses these "
        "files; leave --expert-parallel out");
  }
  if (DerivesLatentWeightsEarly(shape, names)) {
    warnings.push_back(fmt::format(
        "vLLM {} derives MLA's W_UK and W_UV before it loads these files, and answers nonsense; start it with "
        "VLLM_MLA_DISABLE=1 in the environment, or take 0.9.1 or later",
        names.release.ToString()));
  }
  if (names.engine == kSglang && shape.HasMoeLayers()) {
    warnings.emplace_back(
        "SGLang's MoE runners other than triton (TRTLLM, AITER) permute expert weights before it loads these files, "
        "and would read them wrong without a word: start it with --moe-runner-backend triton");
  }
  return warnings;
}

}  // namespace shardfs
