#include "checkpoint/recognise_source.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace shardfs {

std::string FirstBytes(const ByteSource& source) {
  std::string first(std::min<std::uint64_t>(source.size(), kContentKindBytes), '\0');
  if (!source.ReadAt(0, std::as_writable_bytes(std::span(first))).ok()) first.clear();
  return first;
}

}  // namespace shardfs
