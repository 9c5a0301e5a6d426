// All views that are mounted on this machine, as far as this process sees its mounts.
#pragma once

#include <string>
#include <vector>

#include "service/view_status.h"
#include "shardfs/base/result.h"

namespace shardfs {

struct ListedView {
  std::string mount_point;
  ViewStatus status;
  std::string health;   // "healthy", ...; "dead" and "silent" where the daemon says nothing, "unknown" where it may not
  std::string layout;   // these two of a view that answers
  std::string source;
};

// By mount point; of several mounts on one point, the topmost. Asks all of them at once, and waits at most 5 seconds.
Result<std::vector<ListedView>> ListViews();

// A line for each view, in columns, with a line of headings above; one sentence where there is none.
std::string FormatViewList(const std::vector<ListedView>& views);

}  // namespace shardfs
