// ReadNotice: something questionable in the source that reads alone can meet, because finding it takes reading all
// bytes. Counted by the reads, and told when the view ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace shardfs {

struct ReadNotice {
  std::string what;                                         // what follows the number: "reads met ..."
  std::shared_ptr<const std::atomic<std::uint64_t>> reads;  // that met it so far; never null
};

}  // namespace shardfs
