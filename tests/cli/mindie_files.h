// A config.json of MindIE Server, as its own template has it, for tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace shardfs {

// `model`: members of ModelConfig[0] beside those that every one has.
inline nlohmann::json MindieServerJson(const std::string& weight_path, const nlohmann::json& model,
                                       bool several_nodes = false) {
  nlohmann::json entry = {{"modelInstanceType", "Standard"},
                          {"modelName", "DeepSeek-R1_w8a8"},
                          {"modelWeightPath", weight_path},
                          {"worldSize", 4},
                          {"cpuMemSize", 5},
                          {"npuMemSize", -1},
                          {"backendType", "atb"},
                          {"trustRemoteCode", false}};
  entry.update(model);
  return {{"Version", "1.0.0"},
          {"ServerConfig", {{"ipAddress", "127.0.0.1"}, {"port", 1025}}},
          {"BackendConfig",
           {{"backendName", "mindieservice_llm_engine"},
            {"multiNodesInferEnabled", several_nodes},
            {"ModelDeployConfig",
             {{"maxSeqLen", 2560}, {"truncation", false}, {"ModelConfig", nlohmann::json::array({entry})}}}}}};
}

}  // namespace shardfs
