// StrategyMerger: the two forms of strategy files, as the merging of a directory sees them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"

namespace shardfs {

// Not thread-safe. StageOf, Take where the file's stage is new, and so on; Text at the end.
class StrategyMerger {
 public:
  virtual ~StrategyMerger() = default;

  // Reads a file, and returns the stage of its first operator. kCorruption where it has no operator or no parameter.
  virtual Result<std::uint32_t> StageOf(std::string_view bytes) = 0;

  // Adds what StageOf has read last, with the stage before the names of parameters.
  virtual void Take(std::uint32_t stage) = 0;

  virtual Result<std::string> Text() = 0;
};

std::unique_ptr<StrategyMerger> MakeProtobufMerger();
std::unique_ptr<StrategyMerger> MakeJsonMerger();

}  // namespace shardfs
