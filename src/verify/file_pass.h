// FilePass: one pass over a weights file, or a part of it: digest, zeros, NaN and infinities from the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "shardfs/source/source_set.h"
#include "shardfs/tensor/state_dict.h"
#include "verify/special_values.h"
#include "verify/zero_runs.h"

namespace shardfs {

// Where (a part of) a tensor lies in a file.
struct TensorRange {
  std::uint64_t offset = 0;  // bytes from the start of the file
  std::uint64_t size = 0;
  std::uint32_t tensor = 0;  // index of its spec
  std::size_t value_bytes =
      0;  // of one number that is counted here; 0: its values are counted elsewhere, or not at all
};

// FileLayout says where the tensors of one file lie.
struct FileLayout {
  std::vector<TensorRange> ranges;     // ascending by offset, apart from each other
  std::vector<std::uint32_t> by_plan;  // tensors whose values do not lie in the file as they are
};

// Finds where the tensors of a file lie in it. Fails as StateDict::Build does.
Result<FileLayout> LayOutTensors(const StateDict& tensors, const ByteSource* file);

struct PassResult {
  std::map<std::uint32_t, SpecialValues> values;  // by tensor; only those that have some
  std::vector<ZeroRun> zeros;                     // as ZeroRuns gives them
  std::vector<std::string> digests;               // in hexadecimal, one for each that was asked for
};

struct PassRequest {
  const ByteSource* file = nullptr;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  const StateDict* tensors = nullptr;  // null for a file that holds none
  const FileLayout* layout = nullptr;  // with `tensors`
  std::vector<HashKind> digests;       // of the whole file; begin and end are its own then
  int read_ahead = -1;                 // a descriptor of the same file; the kernel is told through it what comes next
};

// Bytes are handed to `progress` as they are done. kCancelled within 4 MiB; otherwise what the source fails with.
Result<PassResult> PassOver(const PassRequest& request, const std::function<void(std::uint64_t)>& progress,
                            const std::stop_token& cancel);

// The same for one tensor whose values do not lie in the file as they are: halves of wider numbers, numbers that are
// cut in two, what is encrypted. `progress` counts bytes of the tensor.
Result<PassResult> PassOverTensor(const StateDict& tensors, std::uint32_t index,
                                  const std::function<void(std::uint64_t)>& progress, const std::stop_token& cancel);

}  // namespace shardfs
