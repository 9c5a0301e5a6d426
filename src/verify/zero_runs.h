// ZeroRuns: finds long runs of zero bytes in bytes that come one piece after the other: what a download or a file
// system leaves where it has lost a block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace shardfs {

// A shorter run is no lost block: file systems and downloads lose pages of 4 KiB at least.
inline constexpr std::uint64_t kLostBlockBytes = 4096;

struct ZeroRun {
  std::uint64_t begin = 0;  // bytes from the start of the file
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
};

// Not thread-safe.
class ZeroRuns {
 public:
  // The first piece begins at `offset` in the file.
  explicit ZeroRuns(std::uint64_t offset) : first_(offset), at_(offset) {}

  // `bytes` continue those before.
  void Add(std::span<const std::byte> bytes);

  // Ends the stream: the runs of at least kLostBlockBytes, and those of any length at either end of the stream, which a
  // neighbouring stream may continue; exact to the byte, ascending.
  std::vector<ZeroRun> Finish();

 private:
  void Open(std::uint64_t begin);
  void Close(std::uint64_t end);

  std::uint64_t first_;
  std::uint64_t at_;
  std::uint64_t trailing_ = 0;  // zeros at the end of what has been added, while no run is open
  bool open_ = false;
  std::uint64_t begin_ = 0;  // of the open run
  std::vector<ZeroRun> runs_;
};

// Runs of neighbouring streams, ascending, put together; those below kLostBlockBytes are dropped.
std::vector<ZeroRun> JoinZeroRuns(std::vector<ZeroRun> runs);

}  // namespace shardfs
