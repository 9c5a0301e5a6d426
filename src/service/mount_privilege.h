// Whether this process may mount at all.
#pragma once

#include "shardfs/base/status.h"

namespace shardfs {

// kIoError, with what to type, where CAP_SYS_ADMIN is missing: as root, from this process; as another user, from the
// whole container, so that fusermount3 does not have it either.
Status CheckMayMount();

}  // namespace shardfs
