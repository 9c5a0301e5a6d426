// CheckpointReader: reads one way in which checkpoints are stored. `--from NAME` chooses it; otherwise it is recognised.
//
// Thread-safety: stateless; const members from any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "shardfs/base/result.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

// Whether a directory is stored in a reader's way, as far as the names in it say.
struct Recognition {
  enum class Degree : std::uint8_t { kNo, kPossible, kCertain };
  Degree degree = Degree::kNo;
  std::string evidence;  // the entry that says so
};

class CheckpointReader {
 public:
  virtual ~CheckpointReader() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one phrase, for `shardfs layouts`
  virtual std::span<const OptionSpec> options() const { return {}; }

  // `names`: the entries of the directory, ascending.
  virtual Recognition Recognise(std::span<const std::string> names) const = 0;

  // kInvalidArgument when `directory` does not exist or is no directory, kCorruption for a damaged or incomplete
  // checkpoint, kNotSupported for what the reader does not cover.
  virtual Result<CheckpointPtr> Open(const std::string& directory, const OptionValues& values) const = 0;
};

}  // namespace shardfs
