// MindIE Server's config.json: what it says about the parallel sizes, and where it loads the weights from.
//
// The models stand in BackendConfig.ModelDeployConfig.ModelConfig[]. A size that is missing or -1 is left to MindIE's
// default (mindie_mapping.h). MindIE writes sizes as integers, and takes decimal strings as well.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "layout/mindie/config/layout_settings.h"
#include "layout/mindie/mindie_mapping.h"
#include "shardfs/base/result.h"

namespace shardfs {

// The backendType that reads sharded directories; the others have no code for them. (section 8 of the spec)
inline constexpr std::string_view kMindieBackend = "atb";

// One entry of ModelConfig[].
struct MindieModelConfig {
  std::string name;         // modelName
  std::string weight_path;  // modelWeightPath
  std::string backend{kMindieBackend};  // backendType, which is this one where it is missing
  ParallelConfig sizes;     // as written; world_size is worldSize, which counts one node's NPUs
  bool mtp = false;         // plugin_params asks for speculation with the MTP layer
  std::map<std::string, std::string> layout_options;  // of models.deepseekv2, under their names as -O takes them
};

struct MindieServerConfig {
  std::string file;
  bool several_nodes = false;  // multiNodesInferEnabled
  std::vector<MindieModelConfig> models;

  // The model whose modelWeightPath is `directory`; the only one, if there is only one. kInvalidArgument, with the
  // paths of all, when none of several is meant.
  Result<const MindieModelConfig*> Choose(const std::string& directory) const;
};

// kInvalidArgument names the member that is wrong, or that asks for weights which no sharded directory has (EPLB,
// shared experts mixed into the routed ones, slices of lm_head or o_proj of their own).
Result<MindieServerConfig> ParseMindieServerConfig(std::string_view json, std::string_view what);
Result<MindieServerConfig> ReadMindieServerConfig(const std::string& path);

// All sizes of a model, defaults filled in, as MindIE validates them. With several nodes the world is worldSize times
// `servers` (of the rank table), or, where that is not known, what the other sizes come to.
Result<MindieMapping> MindieSizes(const MindieServerConfig& config, const MindieModelConfig& model,
                                  std::optional<std::int64_t> servers);

// Whether two paths lead to one place, as far as they exist.
bool IsSamePlace(const std::string& path, const std::string& other);

// What --mindie-config gives to the settings of a view.
struct MindieSettings {
  LayoutSettings settings;  // `given`, completed: every size, the layout options of the file, mtp where it asks for it
  std::int64_t nodes = 1;   // servers
  std::vector<std::string> warnings;
};

// `given`: what the other origins say. kInvalidArgument, with both values, where they disagree with the file.
// `directory`: where the view will be shown; empty when it is not known. A modelWeightPath elsewhere is a warning.
Result<MindieSettings> ApplyMindieConfig(const std::string& file, const std::string& directory, LayoutSettings given);

}  // namespace shardfs
