// A file of settings, as --config takes it. The input is its text.
#include "fuzz/fuzz_target.h"
#include "pipeline/config_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto settings = ParseConfig(testing::AsText(data, size), "fuzz");
  SHARDFS_FUZZ_CHECK(settings.ok() || settings.status().code() == StatusCode::kInvalidArgument);
  return 0;
}
