// What a directory holds, for the comparison with a view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

struct FoundEntry {
  enum class Type : std::uint8_t { kFile, kDirectory, kOther };  // kOther: devices, sockets, links to nothing

  std::string path;  // relative
  Type type = Type::kOther;
  std::uint64_t size = 0;  // bytes, of a file
};

// All entries down to `max_depth` names deep, ascending by path. Entries whose name begins with '.' are left out,
// unless `is_known` says otherwise of their path. Links are followed; the depth bounds those that lead back up.
Result<std::vector<FoundEntry>> FindEntries(int directory_fd, const std::string& directory, std::size_t max_depth,
                                            const std::function<bool(const std::string&)>& is_known);

}  // namespace shardfs
