// From a request to a view: reader, transforms, layout.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pipeline/view_request.h"
#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/layout/layout.h"

namespace shardfs {

// A view and what it was built from. Immutable.
struct BuiltView {
  CheckpointPtr checkpoint;   // behind all transforms
  std::string layout;         // its name
  OptionPairs given;          // the options of reader and transforms, as they were given
  OptionPairs asked{};        // all options that are taken, with absolute paths: they build the same view again
  View view;
};

// kInvalidArgument for a name of a reader or a layout that there is not, and for an option that nothing takes;
// otherwise what reader, transforms and layout refuse. `on_notice` may be called by reads of the view, `on_warning` is
// called at once with each warning. Starts threads.
Result<BuiltView> BuildView(const ViewRequest& request, const std::function<void(const std::string&)>& on_notice,
                            const std::function<void(const std::string&)>& on_warning);

// The source alone, with the reader's options: for commands that show no view.
Result<CheckpointPtr> OpenCheckpoint(const ViewRequest& request);

// The options of readers as they hold, of the command line, the environment and the configuration file. Others that are
// given stay among them.
Result<OptionValues> ReaderOptions(const ViewRequest& request);

// kInvalidArgument for an option of the command line that no reader takes; the file may say more, as it does for `mount`.
Status RequireReaderOptions(const OptionValues& values);

}  // namespace shardfs
