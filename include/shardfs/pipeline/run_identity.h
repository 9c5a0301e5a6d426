// RunIdentity: what decides the names and bytes of a run, by which a later run knows what it may go on with.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shardfs {

// What decides the names and bytes of a run, as names and values for people: layout, sizes, options, ranks, the
// source's files. Two runs with equal fields write the same. Ordered; names are unique.
using RunIdentity = std::vector<std::pair<std::string, std::string>>;

// The field of an option that a layout has: its name; its flag ("--files") where the run has a field of that name itself.
std::string FieldOfOption(std::string_view name);

// The first field in which two runs differ, in words: "tp is 8 there and 4 here"; nothing when they are equal.
std::optional<std::string> DescribeDifference(const RunIdentity& there, const RunIdentity& here);

}  // namespace shardfs
