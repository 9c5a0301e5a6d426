// The options that every subcommand with a SOURCE has.
#pragma once

#include <CLI/App.hpp>

#include "pipeline/build_view.h"

namespace shardfs {

// Registers SOURCE and the layout options on a subcommand. `options` must outlive the parsing of the CLI::App.
void AddCommonOptions(CLI::App& command, CommonOptions& options);

}  // namespace shardfs
