// The comparison of the content of many files, in parallel: first all headers (and small files), then the data of the
// files that these left, in chunks.
#pragma once

#include <tbb/enumerable_thread_specific.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "verify/verifier_file.h"
#include "verify/verifier_samples.h"
#include "shardfs/verify/verifier.h"

namespace shardfs {

class Comparison {
 public:
  // Borrows all of its arguments.
  Comparison(std::span<const ComparedFile> files, const Directory& directory, const VerifyOptions& options,
             VerifyProgress& progress);

  Status Run(const std::stop_token& cancel);

  // After Run: what differs in file `index`, if anything does.
  const std::optional<Difference>& difference(std::size_t index) const { return states_[index].difference; }
  std::uint64_t bytes_compared() const { return bytes_compared_.load(); }

 private:
  struct State {
    std::optional<Difference> difference;
    std::uint64_t begin = 0;  // of the data that are to be compared, if any
    std::uint64_t end = 0;
    std::atomic<std::uint64_t> first{kNone};  // byte that differs; of the chunks that are done
    std::atomic<std::uint64_t> chunks_left{0};
    std::mutex mutex;  // guards `found`
    std::optional<FoundFile> found;
  };
  static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

  Status CompareStart(std::size_t index, const std::stop_token& stop);
  Status CompareHeader(std::size_t index, const FilePair& pair, const std::stop_token& stop);
  Status CompareChunk(std::size_t index, std::uint64_t chunk, const std::stop_token& stop);
  Status FinishData(std::size_t index, const FilePair& pair);
  Result<const FoundFile*> OpenShared(std::size_t index);
  void Started(std::size_t index);

  const std::span<const ComparedFile> files_;
  const Directory& directory_;
  const VerifyOptions& options_;
  VerifyProgress& progress_;
  std::deque<State> states_;
  std::atomic<std::uint64_t> bytes_compared_{0};
  tbb::enumerable_thread_specific<ComparisonBuffers> buffers_;
};

}  // namespace shardfs
