// From a request to a view: the settings of all origins, the checkpoint, the layout.
//
// A setting may come from the command line, the environment, or a configuration file; the first of these that has it
// wins.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "option/settings.h"
#include "shardfs/base/result.h"
#include "shardfs/layout/layout.h"

namespace shardfs {

// What a command line asks for.
struct CommonOptions {
  std::string source;
  LayoutSettings settings;               // all but what the next three members hold
  std::string max_shard_size;            // as typed; empty when not given
  std::vector<std::string> assignments;  // -O NAME=VALUE, as typed
  std::string config_file;               // empty when not given
  std::string mindie_config;             // the same
  // Where the view will be, as typed: a member of the subcommand's arguments; null for one that shows it nowhere.
  const std::string* directory = nullptr;
};

// What the three origins come to.
struct ResolvedOptions {
  std::string source;
  std::string layout;
  LayoutOptions options;
  std::vector<std::string> warnings;
};

// A checkpoint and the view of it.
struct View {
  ResolvedOptions options;  // that it was built with
  std::shared_ptr<const Checkpoint> checkpoint;
  LayoutResult layout;
};

// Merges command line, environment and configuration file, and completes them from MindIE's configuration.
// kInvalidArgument names the setting that is wrong and where it came from.
Result<ResolvedOptions> Resolve(const CommonOptions& options);

// Resolve, then opens the checkpoint, builds the layout, and prints the warnings of both to stderr. Starts threads.
Result<View> BuildView(const CommonOptions& options);

}  // namespace shardfs
