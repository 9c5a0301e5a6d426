// DigestTime: a modification time that tells two contents of one name apart.
//
// Programs that copy or cache by size and time (rsync, backups, HTTP caches) take two files of equal size and time for
// the same file, and rsync compares whole seconds only. A time that is made from a digest of the content, or of all
// that decides it, differs in whole seconds for two contents but for one pair in a million, and is the same each time.
//
// The time is `newest` less (n mod 1,000,000) seconds, with (n / 1,000,000 mod 1,000,000,000) nanoseconds, where n is
// the number that the digest's first 8 bytes are, most significant first. A source whose files carry no time (zero, or
// anything else in the first million seconds of 1970) has the seconds added instead: no time lies before 1970, which
// archivers refuse.
#pragma once

#include <cstdint>

#include "shardfs/base/file_digest.h"

namespace shardfs {

// Nanoseconds since the epoch, as `newest_ns` is, of which the nanoseconds are not used. Never negative.
std::int64_t DigestTime(std::int64_t newest_ns, const FileDigest& digest);

}  // namespace shardfs
