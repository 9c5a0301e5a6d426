// MountDescription: what is mounted, in words for people and for labels; the session shows it and reads nothing of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace shardfs {

struct MountDescription {
  using Pairs = std::vector<std::pair<std::string, std::string>>;  // name, value; in the order to show

  std::string source;   // the checkpoint's directory
  std::string layout;   // its name
  std::string summary;  // one sentence on layout and model
  Pairs sizes;          // effective parallel sizes: {"dp", "2"}
  Pairs options;        // all else that was asked for: {"mtp", "true"}
  std::string reader{};  // its name
  Pairs asked{};         // all options as they were given: with source, reader and layout they build the same view again
};

}  // namespace shardfs
