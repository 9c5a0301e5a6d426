// Allocations of this program, counted and made to fail. Replaces operator new for the whole test program.
// Thread-safety: any thread may allocate, and is counted; the functions here are for one thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shardfs::testing {

enum class Failing : std::uint8_t {
  kOne,         // that allocation alone, as when another process took the memory for a moment
  kAllFromThen  // that allocation and every later one, those of the error's message included
};

// Counts allocations from now on, and makes the `nth` (from 1) fail. 0: none.
void StartCounting(std::uint64_t nth = 0, Failing failing = Failing::kOne);
// Ends that; how many there were, the failed ones included.
std::uint64_t StopCounting();
bool AnAllocationFailed();  // since StartCounting

std::size_t LiveBytes();  // allocated and not freed
void ResetPeak();         // to what is live
std::size_t PeakBytes();  // the most that was live since then

}  // namespace shardfs::testing
