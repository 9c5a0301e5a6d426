// Amounts of bytes for people, in powers of 1000 as --max-shard-size counts them.
#pragma once

#include <cstdint>
#include <string>

namespace shardfs {

// Three significant digits and a unit: "0 B", "999 B", "1.00 kB", "12.3 MB", "1.37 TB". Rounded to nearest.
std::string FormatBytes(std::uint64_t bytes);

}  // namespace shardfs
