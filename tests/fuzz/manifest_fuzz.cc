// The manifest of a materialized directory. The input is its text.
#include "fuzz/fuzz_target.h"
#include "shardfs/materialize/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto manifest = Manifest::Parse(testing::AsText(data, size), "fuzz");
  if (!manifest.ok()) {
    const StatusCode code = manifest.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
    return 0;
  }
  for (const std::string& path : manifest->directories) SHARDFS_FUZZ_CHECK(IsSafeRelativePath(path));
  for (std::size_t i = 0; i < manifest->files.size(); ++i) {
    SHARDFS_FUZZ_CHECK(IsSafeRelativePath(manifest->files[i].path));
    SHARDFS_FUZZ_CHECK(i == 0 || manifest->files[i - 1].path < manifest->files[i].path);
  }
  // What was read is what would be written again.
  const std::string again = manifest->Serialize();
  const auto reread = Manifest::Parse(again, "fuzz");
  SHARDFS_FUZZ_CHECK(reread.ok() && reread->Serialize() == again);
  return 0;
}
