// IgnoredTensor: a tensor of the source that no file of the view is made of, and why. Accounting for the whole source is
// the duty of every transform and every layout: silently wrong weights are the worst outcome there is.
#pragma once

#include <cstdint>
#include <string>

namespace shardfs {

struct IgnoredTensor {
  std::string name;    // as the source has it
  std::string reason;  // without a full stop: "select leaves it out"
  std::uint64_t bytes = 0;
};

}  // namespace shardfs
