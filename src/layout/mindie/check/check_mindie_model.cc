// The checks of check_mindie.h that hold the model's configuration against what MindIE takes.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "base/quote_name.h"
#include "base/text_file.h"
#include "console/message_text.h"
#include "layout/mindie/check/check_mindie.h"
#include "layout/mindie/config/server_limits.h"
#include "layout/mindie/linear_kind.h"

namespace shardfs {
namespace {

Result<EffectiveConfig> ReadConfig(const MindieDirectoryCheck& check) {
  const auto read = [&](const std::string& name, std::uint64_t limit) {
    return ReadTextFile(check.directory + "/" + name, limit);
  };
  return EffectiveConfig::Read(read, check.directory);
}

// Values that MindIE takes, and that yet need not load.
std::vector<Finding> CheckDoubtful(const EffectiveConfig& config, const std::vector<RefusedSetting>& refused) {
  std::vector<Finding> findings;
  const auto group_size = config.Quantization("group_size").AsInt64();
  if (group_size == 256) {
    findings.push_back(Advice(Name("quantization_config.group_size"),
                              Tr("is 256, which only MindIE's newest versions take"),
                              Tr("look up the version's release notes")));
  }
  for (const char* key : {"quantize", "mla_quantize", "moe_quantize"}) {
    const JsonValue* value = config.json().Find(key);
    if (value == nullptr || !value->is_string() || LinearKindOfQuantize(value->text())) continue;
    const bool is_refused = std::any_of(refused.begin(), refused.end(),
                                        [key](const RefusedSetting& setting) { return setting.key == key; });
    if (is_refused) continue;
    findings.push_back(
        Advice(Name(key),
               Tr("is {}, of which weight_sharder writes no directory for DeepSeek models", QuoteName(value->text())),
               Tr("try it, or let MindIE load the full checkpoint")));
  }
  return findings;
}

// A quantised model's description, under one of the names that the loader tries.
std::optional<Finding> CheckDescription(const MindieDirectoryCheck& check, const EffectiveConfig& config) {
  constexpr const char* kGeneral = "quant_model_description.json";
  // generation_config.json lies on top of config.json, this key too; how the weights are laid out, it does not decide.
  const EffectiveConfig::Setting effective = config.Find("quantize");
  if (config.quantize().empty() && effective.value != nullptr && effective.value->is_string() && !config.description()) {
    return Wrong(Tr("description"),
                 Tr("\"quantize\" is {} in {}, and there is no {}", QuoteName(effective.value->text()), effective.file,
                    kGeneral),
                 Tr("show or write the directory again"));
  }
  if (config.quantize().empty()) return std::nullopt;
  if (const Status missing = config.RequireDescription(); !missing.ok()) {
    return Wrong(Tr("description"), TextOf(missing), Tr("show or write the directory again"));
  }
  const QuantDescription& description = *config.description();
  // The loader looks up what it loads: names of a directory that is cut, not those of the full checkpoint.
  constexpr const char* kOfCut = "model.layers.0.self_attn.k_b_proj.weight";
  if (!description.HasWeights() || description.Find(kOfCut) == nullptr) {
    return Wrong(Tr("description"),
                 Tr("{} {}", description.file_name(),
                    description.HasWeights() ? Tr("does not name {}: it is that of a full checkpoint", kOfCut)
                                             : Tr("says of no weight what it is")),
                 Tr("show or write the directory again"));
  }
  struct stat attributes {};
  if (::lstat((check.directory + "/" + kGeneral).c_str(), &attributes) == 0 && S_ISLNK(attributes.st_mode)) {
    return Wrong(Tr("description"), Tr("{} is a symbolic link, which MindIE refuses", kGeneral),
                 Tr("put the file itself there"));
  }
  return Ok(Tr("description"), config.description()->file_name());
}

bool NamesOne(const std::vector<RefusedSetting>& refused, const std::string& message) {
  return std::any_of(refused.begin(), refused.end(), [&](const RefusedSetting& setting) {
    return message.find("\"" + setting.key + "\"") != std::string::npos;
  });
}

}  // namespace

std::vector<Finding> CheckMindieModel(const MindieDirectoryCheck& check) {
  const auto config = ReadConfig(check);
  if (!config.ok()) {
    return {Wrong(Name("config.json"), TextOf(config.status()),
                  Tr("give a directory that weight_sharder or shardfs has made"))};
  }
  std::vector<Finding> findings;
  const std::vector<RefusedSetting> refused = FindRefusedSettings(*config);
  for (const RefusedSetting& setting : refused) {
    findings.push_back(Wrong(setting.key, setting.problem,
                             Tr("correct {} of the source, and show or write the directory again", setting.file)));
  }
  if (!config->generation_status().ok()) {
    findings.push_back(Wrong(Name("generation_config.json"), TextOf(config->generation_status()),
                             Tr("correct it, or take it away")));
  }
  if (findings.empty())
    findings.push_back(Ok(Tr("model configuration"), Tr("MindIE takes every value of it that it checks")));
  const auto add = [&findings](std::vector<Finding> more) {
    std::move(more.begin(), more.end(), std::back_inserter(findings));
  };
  add(CheckDoubtful(*config, refused));
  if (auto description = CheckDescription(check, *config)) findings.push_back(std::move(*description));
  for (Finding& finding : CheckMindieTensors(check, *config)) {
    // What config.json lacks for the shapes is the same fault once more.
    if (finding.subject == "config.json" && NamesOne(refused, finding.message.english())) continue;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace shardfs
