#include "tools/companion_files.h"

#include <fmt/core.h>

#include <algorithm>

namespace shardfs::tools {

std::string GenerationConfigJson(const ModelConfig& config) {
  const auto vocabulary = config.Number("vocab_size");
  return fmt::format(R"({{
  "_from_model_config": true,
  "bos_token_id": {},
  "eos_token_id": {},
  "do_sample": true,
  "top_k": {},
  "temperature": 0.6,
  "top_p": 0.95
}}
)",
                     config.Text("bos_token_id"), config.Text("eos_token_id"),
                     std::min<std::uint64_t>(20, vocabulary.ok() ? *vocabulary : 20));
}

std::vector<TextFile> CompanionFiles(const Model& model) {
  std::vector<TextFile> files = {
      {"README.md", fmt::format("# A synthetic checkpoint: {}'s tensors with random values\n", model.family->title)},
      {"configuration.json", R"({"framework": "pytorch", "task": "text-generation"})"},
      {"generation_config.json", GenerationConfigJson(model.config)},
      {"tokenizer.json", "{\n  \"version\": \"1.0\",\n  \"model\": {\n    \"type\": \"BPE\"\n  }\n}\n"},
      {"tokenizer_config.json", "{\n  \"tokenizer_class\": \"LlamaTokenizerFast\",\n  \"bos_token\": \"<s>\"\n}\n"},
  };
  if (model.family->remote_code) {
    files.push_back({"configuration_deepseek.py", "# synthetic: stands for the model's configuration class\n"});
    files.push_back({"modeling_deepseek.py", "# synthetic: stands for the model's code\n"});
  }
  return files;
}

}  // namespace shardfs::tools
