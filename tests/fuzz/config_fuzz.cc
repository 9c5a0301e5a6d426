// A model's config.json. The input is its text.
#include <algorithm>

#include "fuzz/fuzz_target.h"
#include "layout/mindie/config/deepseek_config.h"
#include "layout/mindie/json_files.h"

namespace shardfs::testing {
namespace {

void CheckAccepted(const DeepseekConfig& config, const JsonValue& json) {
  const std::uint64_t sizes[] = {config.hidden_size,
                                 config.intermediate_size,
                                 config.moe_intermediate_size,
                                 config.layers,
                                 config.heads,
                                 config.routed_experts,
                                 config.vocab_size,
                                 config.kv_lora_rank,
                                 config.nope_head_dim,
                                 config.rope_head_dim,
                                 config.v_head_dim,
                                 config.q_lora_rank.value_or(1)};
  // The products that shapes are made of cannot wrap.
  SHARDFS_FUZZ_CHECK(std::all_of(std::begin(sizes), std::end(sizes),
                                 [](std::uint64_t size) { return size >= 1 && size <= std::uint64_t{1} << 21; }));
  SHARDFS_FUZZ_CHECK(config.dtype == Dtype::kBF16 || config.dtype == Dtype::kF16);
  // What is shown as config.json reads back, and says the same.
  const auto shown = ParseJson(MindieConfigJson(json, config.dtype), "shown");
  SHARDFS_FUZZ_CHECK(shown.ok());
  const auto again = DeepseekConfig::Parse(*shown);
  SHARDFS_FUZZ_CHECK(again.ok());
  SHARDFS_FUZZ_CHECK(again->hidden_size == config.hidden_size && again->dtype == config.dtype);
  SHARDFS_FUZZ_CHECK(again->layers == config.layers && again->quantize == config.quantize);
}

}  // namespace
}  // namespace shardfs::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto json = ParseJson(testing::AsText(data, size), "fuzz");
  if (!json.ok()) return 0;
  const auto config = DeepseekConfig::Parse(*json);
  if (config.ok()) {
    testing::CheckAccepted(*config, *json);
  } else {
    const StatusCode code = config.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
  }
  return 0;
}
