// Says whether MindIE's configuration names the backend that reads a sharded directory, for `shardfs doctor`.
#pragma once

#include <optional>
#include <string>

#include "console/finding.h"

namespace shardfs {

// `backend`: backendType of the model's configuration.
Finding ProbeMindieBackend(const std::string& backend);

// The same of the model that `mount_point` is for, in the configuration `file` of MindIE Server. Nothing where `file`
// is empty, cannot be read (the plan says why) or names no backend.
std::optional<Finding> ProbeMindieBackendOf(const std::string& file, const std::string& mount_point);

}  // namespace shardfs
