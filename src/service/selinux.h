// The labels that a mount may be given on a host with SELinux (mount(8), "context=").
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

// The four options, as mount(8) and the kernel call them.
inline constexpr std::array<std::string_view, 4> kSelinuxOptions = {"context", "fscontext", "defcontext",
                                                                    "rootcontext"};

// Pairs of an option's name and the label that it is given, without quotes.
using SelinuxLabels = std::vector<std::pair<std::string, std::string>>;

// The labels as mount options for the kernel, each value in quotes, because a label may have commas. Without SELinux in
// the kernel there are none, and a warning says so. kInvalidArgument for a label with a quote, and for a user other
// than root, whom fusermount3 would refuse. `filesystems` lists what the kernel has.
Result<std::vector<std::string>> SelinuxMountOptions(const SelinuxLabels& labels,
                                                     const std::string& filesystems = "/proc/filesystems");

}  // namespace shardfs
