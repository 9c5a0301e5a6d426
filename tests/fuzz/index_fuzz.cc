// A *.safetensors.index.json. The input is its text.
#include "fuzz/fuzz_target.h"
#include "checkpoint/checkpoint_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto index = ParseCheckpointIndex(testing::AsText(data, size), "fuzz");
  if (!index.ok()) {
    const StatusCode code = index.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
    return 0;
  }
  for (const std::string& file : index->files) {
    SHARDFS_FUZZ_CHECK(file.find('/') == file.npos && file.find('\0') == file.npos);
    SHARDFS_FUZZ_CHECK(file.size() > 12 && file.ends_with(".safetensors") && file.front() != '.');
  }
  for (std::size_t i = 0; i < index->weight_map.size(); ++i) {
    SHARDFS_FUZZ_CHECK(index->weight_map[i].file < index->files.size());
    SHARDFS_FUZZ_CHECK(i == 0 || index->weight_map[i - 1].tensor < index->weight_map[i].tensor);
  }
  return 0;
}
