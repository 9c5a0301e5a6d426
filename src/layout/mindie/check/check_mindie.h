// Whether MindIE with a server configuration loads a sharded directory right. MindIE looks at nothing but folder names:
// sizes other than those that the directory was made with load without a word where the names exist, and give wrong
// answers (spec/mindie-weight-sharder.md, section 6).
#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "console/finding.h"
#include "layout/mindie/config/effective_config.h"
#include "layout/mindie/config/mindie_config.h"
#include "shardfs/parallel/rank_set.h"

namespace shardfs {

struct MindieDirectoryCheck {
  std::string directory;
  MindieMapping mapping;  // what MindIE will run with
  RankSet ranks;          // whose folders must be there
  uid_t user = 0;         // that MindIE runs as
  bool dp_partition_up = false;
  MindieModelConfig model;
};

// One finding a check, in a fixed order; a check that another one makes pointless is left out. Forks: before any thread
// is started.
std::vector<Finding> CheckMindieDirectory(const MindieDirectoryCheck& check);

// Its parts. All but CheckMindieAccess's finding, which is put in its place; this process must be able to look.
std::vector<Finding> CheckMindieContents(const MindieDirectoryCheck& check, const Finding& access);
// Whether MindIE's user can open every file that its ranks load, which is tried as that user where this process may be
// it:
Finding CheckMindieAccess(const MindieDirectoryCheck& check);
// What the directory says about itself in model_sharded_metadata.json:
std::vector<Finding> CheckMindieMetadata(const MindieDirectoryCheck& check);
// Owners and modes, as MindIE insists on them:
Finding CheckMindiePermissions(const MindieDirectoryCheck& check);
// What MindIE refuses of the model's configuration, and the tensors that each rank will find, whatever the metadata
// say:
std::vector<Finding> CheckMindieModel(const MindieDirectoryCheck& check);
// The latter, by a configuration that was read:
std::vector<Finding> CheckMindieTensors(const MindieDirectoryCheck& check, const EffectiveConfig& config);

// The folders that these ranks load.
std::set<std::string> MindieFoldersOf(const MindieMapping& mapping, const RankSet& ranks);

}  // namespace shardfs
