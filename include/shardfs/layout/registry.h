// All that can be read and shown, one line each in registry.cc. What is returned lives for the whole program.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "shardfs/option/option_taker.h"
#include "shardfs/checkpoint/checkpoint_reader.h"
#include "shardfs/layout/layout.h"

namespace shardfs {

std::span<const CheckpointReader* const> Readers();  // the default reader first
std::span<const Layout* const> Layouts();
const Layout* FindLayout(std::string_view name);  // nullptr where there is none of that name

// All readers, transforms and layouts, as options see them.
std::vector<OptionTaker> AllTakers();

}  // namespace shardfs
