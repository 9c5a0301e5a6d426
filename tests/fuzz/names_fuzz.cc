// A table of names of the layout sharded-state. The input is its text. What is taken has every block of every release.
#include "fuzz/fuzz_target.h"
#include "layout/sharded_state/engine_names.h"
#include "layout/sharded_state/roles.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto table = EngineNameTable::Parse(testing::AsText(data, size), "fuzz");
  if (!table.ok()) {
    SHARDFS_FUZZ_CHECK(table.status().code() == StatusCode::kInvalidArgument ||
                       table.status().code() == StatusCode::kCorruption ||
                       table.status().code() == StatusCode::kNotSupported);  // bytes that are no UTF-8, too deep
    return 0;
  }
  SHARDFS_FUZZ_CHECK(!table->Engines().empty());
  for (const std::string& engine : table->Engines()) {
    for (const ReleaseNumber& release : table->Releases(engine)) {
      const auto names = table->Find(engine, release.ToString());
      SHARDFS_FUZZ_CHECK(names.ok());
      for (const std::string_view block : BlockNames()) {
        SHARDFS_FUZZ_CHECK(!names->Block(block).empty());
        for (const auto& [role, name] : names->Block(block)) SHARDFS_FUZZ_CHECK(!role.empty() && !name.empty());
      }
      (void)table->CheckModelType(*names, "deepseek_v3");
    }
  }
  SHARDFS_FUZZ_CHECK(!DescribeReleases(*table).empty());
  return 0;
}
