// Whether MindIE with a server configuration loads a sharded directory right. MindIE looks at nothing but folder names:
// sizes other than those that the directory was made with load without a word where the names exist, and give wrong
// answers (spec/mindie-weight-sharder.md, section 6).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "cli/finding.h"
#include "cli/mindie_config.h"
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

// One finding a check, in a fixed order; a check that another one makes pointless is left out.
std::vector<Finding> CheckMindieDirectory(const MindieDirectoryCheck& check);

// Its parts. What the directory says about itself in model_sharded_metadata.json:
std::vector<Finding> CheckMindieMetadata(const MindieDirectoryCheck& check);
// Owners and modes, as MindIE insists on them:
Finding CheckMindiePermissions(const MindieDirectoryCheck& check);
// The tensors that each rank will find, whatever the metadata say:
std::vector<Finding> CheckMindieTensors(const MindieDirectoryCheck& check);

}  // namespace shardfs
