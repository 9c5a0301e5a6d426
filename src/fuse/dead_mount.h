// Telling a mount whose server has died (killed, crashed) from one that lives.
#pragma once

#include <string>

namespace shardfs {

// Whether what is mounted on `mount_point` has lost its server: every use of it fails with ENOTCONN until it is
// unmounted. A server that does not answer within a second or two counts as alive. Starts a thread, which outlives the
// call when there is no answer.
bool IsDeadMount(const std::string& mount_point);

}  // namespace shardfs
