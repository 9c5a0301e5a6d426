// Reads what a mounted view was asked for, as its daemon has recorded it: enough to build the same view again.
#pragma once

#include <string>

#include "pipeline/view_request.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct MountedRequest {
  std::string mount_point;
  std::string path;  // of the file within the view; empty for its top
  ViewRequest request;
};

// The mount that `file` lies on, and its request. kInvalidArgument where that is no view of shardfs; kIoError where its
// daemon does not answer, or is of a version that records no request. The file itself is not looked at.
Result<MountedRequest> FindMountedRequest(const std::string& file);

}  // namespace shardfs
