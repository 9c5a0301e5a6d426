// The command line's part of a view: SOURCE, --from, --layout, --config, and the options that readers, transforms and
// layouts declare. Nothing here knows one of them by name.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "pipeline/build_view.h"
#include "pipeline/view_request.h"

namespace shardfs {

// Registers them on a subcommand. `request` is filled while the command line is parsed, and must outlive that.
void AddViewOptions(CLI::App& command, ViewRequest& request);

// The same without SOURCE, for a command whose source is an option.
void AddOptionsOfView(CLI::App& command, ViewRequest& request);

// Those that say what SOURCE is and how it is read, for a command that shows no view.
void AddSourceOptions(CLI::App& command, ViewRequest& request);

// BuildView, with notices to the log and warnings to stderr.
Result<BuiltView> BuildView(const ViewRequest& request);

// BuildView for a command whose findings are in the language of the environment: notices and warnings, too, to stderr.
Result<BuiltView> BuildViewInLanguage(const ViewRequest& request);

// "shardfs: warning: MESSAGE" to stderr, in the language of the environment.
void WarnInLanguage(const std::string& message);

}  // namespace shardfs
