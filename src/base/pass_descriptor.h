// One open file passed from process to process over a Unix socket, beside one byte (unix(7), SCM_RIGHTS).
#pragma once

#include <optional>

#include "shardfs/base/file_descriptor.h"

namespace shardfs {

// Sends `file` with the byte `what`, without waiting for room. False with errno where that fails. Thread-safe.
bool SendDescriptor(const FileDescriptor& socket, const FileDescriptor& file, char what);

// The file of the next message, close-on-exec. Invalid where the other side has closed the socket or sent no file;
// nothing, with errno, where receiving fails. `flags` are recvmsg(2)'s, such as MSG_DONTWAIT. Thread-safe.
std::optional<FileDescriptor> ReceiveDescriptor(const FileDescriptor& socket, int flags);

}  // namespace shardfs
