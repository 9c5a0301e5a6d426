// The parts of a state dict that a table of names knows: blocks, and the roles in each.
//
// Thread-safety: constants.
#pragma once

#include <span>
#include <string_view>

namespace shardfs {

std::span<const std::string_view> BlockNames();

// The roles of a block; empty where there is no such block.
std::span<const std::string_view> RolesOf(std::string_view block);

}  // namespace shardfs
