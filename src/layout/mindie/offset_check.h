// plan --check: reads every weight_offset of a view. MindIE negates them when it saves and again when it loads, which
// is harmless only for zeros (spec/mindie-weight-sharder.md, section 7).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/content_check.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

struct OffsetCheck {
  std::uint64_t tensors = 0;          // weight_offset tensors read
  std::uint64_t nonzero_tensors = 0;  // of these, with an element that is neither 0.0 nor -0.0
  std::vector<std::string> first;     // of the non-zero ones, up to ten: "file: tensor"
};

// Reads in parallel. The Status of the first read that fails.
Result<OffsetCheck> CheckOffsets(const VirtualTree& tree);

// One line, or several naming the tensors; the last ends with a newline.
std::string FormatOffsetCheck(const OffsetCheck& check);

// CheckOffsets as a view's check, named "offsets".
ContentCheck MakeOffsetCheck(std::shared_ptr<const VirtualTree> tree);

}  // namespace shardfs
