// adapter_config.json of a LoRA adapter, with the regular expressions in it. The input is its text; each module path
// that could stand in an adapter is then looked up.
#include <cmath>

#include "fuzz/fuzz_target.h"
#include "transform/lora_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const std::string_view text = testing::AsText(data, size);
  const auto config = LoraConfig::Parse(text, "fuzz");
  if (!config.ok()) {
    const StatusCode code = config.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported ||
                       code == StatusCode::kInvalidArgument);
    return 0;
  }
  for (const std::string_view path : {std::string_view("model.layers.1.self_attn.q_proj"), std::string_view(), text}) {
    const LoraConfig::Module module = config->ModuleOf(path);
    SHARDFS_FUZZ_CHECK(module.rank >= 1 && std::isfinite(module.scaling));
  }
  return 0;
}
