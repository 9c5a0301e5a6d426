// Whether MindIE's configuration names the backend that reads a sharded directory, for `shardfs doctor`.
#pragma once

#include <string>

#include "console/finding.h"

namespace shardfs {

// `backend`: backendType of the model's configuration.
Finding ProbeMindieBackend(const std::string& backend);

}  // namespace shardfs
