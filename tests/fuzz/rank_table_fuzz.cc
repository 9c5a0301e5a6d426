// A cluster's rank table. The input is its text.
#include "fuzz/fuzz_target.h"
#include "shardfs/parallel/rank_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto servers = ParseRankTableServerCount(testing::AsText(data, size), "fuzz");
  SHARDFS_FUZZ_CHECK(servers.ok() ? *servers >= 1 : servers.status().code() == StatusCode::kInvalidArgument);
  return 0;
}
