// RecogniseSource: what kind of file an open source is, by its first bytes.
#pragma once

#include <string>

#include "base/content_kind.h"
#include "shardfs/source/byte_source.h"

namespace shardfs {

// The first bytes of the source, kContentKindBytes at most; empty where they cannot be read.
std::string FirstBytes(const ByteSource& source);

inline ContentKind RecogniseSource(const ByteSource& source) {
  return RecogniseContent(FirstBytes(source), source.size());
}

}  // namespace shardfs
