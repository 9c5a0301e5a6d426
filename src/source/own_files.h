// Which files of a SourceSet are the source's own, and which belong to a root beside it (an adapter).
//
// Thread-safety: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "shardfs/source/source_set.h"

namespace shardfs {

// `name` is that of a file in `sources`.
inline bool IsOfSource(const SourceSet& sources, std::string_view name) {
  const auto roots = sources.roots();
  return std::none_of(roots.begin(), roots.end(), [name](const auto& root) {
    return !root->label().empty() && name.starts_with(root->NameOf(""));
  });
}

inline std::size_t CountOwnFiles(const SourceSet& sources) {
  const auto files = sources.files();
  return static_cast<std::size_t>(std::count_if(
      files.begin(), files.end(), [&sources](const auto& file) { return IsOfSource(sources, file->name()); }));
}

}  // namespace shardfs
