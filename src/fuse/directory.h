// Directory listings in the form that the kernel reads them.
#pragma once

#include <fuse_lowlevel.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuse/filesystem.h"

namespace shardfs {

enum class ListingKind : std::uint8_t {
  kNames,           // READDIR
  kWithAttributes,  // READDIRPLUS: each name is looked up as well
};

// Writes the entries of directory `id` from position `offset` into `buffer`, as many as fit; returns the bytes used, 0
// at the end of the listing. Position 0 is ".", 1 is "..", 2 the first child; an entry carries the position behind it.
std::size_t FillListing(fuse_req_t request, const Filesystem& filesystem, NodeId id, std::uint64_t offset,
                        ListingKind kind, std::span<std::byte> buffer);

// What a lookup of node `id` answers.
fuse_entry_param EntryOf(const Filesystem& filesystem, NodeId id);

}  // namespace shardfs
