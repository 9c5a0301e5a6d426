// ViewRequest: what a command line asks to be shown: a source, how it is read, how it is shown, and options.
#pragma once

#include <string>
#include <vector>

#include "shardfs/layout/layout.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

struct ViewRequest {
  std::string source;
  std::string from;                  // --from; empty: recognised by the names in the directory
  std::string layout;                // --layout; empty: the default for the checkpoint
  std::vector<GivenOption> options;  // of the command line, in its order
  std::string config_file;           // --config; empty when not given
  ViewPlace place;                   // where the view will be; its path may be empty
  bool warns_of_place = false;       // whether the layout is asked what its engine would refuse of `place`

  // The text of an option of the command line, or "".
  std::string Given(std::string_view name) const {
    for (const GivenOption& option : options) {
      if (option.name == name) return option.text;
    }
    return "";
  }
};

}  // namespace shardfs
