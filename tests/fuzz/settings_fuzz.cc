// A file of options, as --config takes it. The input is its text.
#include "fuzz/fuzz_target.h"
#include "shardfs/layout/registry.h"
#include "pipeline/option_origins.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs;
  const auto config = ParseConfigFile(testing::AsText(data, size), "fuzz");
  if (!config.ok()) {
    SHARDFS_FUZZ_CHECK(config.status().code() == StatusCode::kInvalidArgument);
    return 0;
  }
  // What the file gives is checked by the declarations of all that takes options; what holds reads as its kind.
  static const std::vector<OptionTaker> takers = AllTakers();
  static const std::vector<const OptionSpec*> specs = SpecsOf(takers);
  const auto values = OptionValues::Create(config->options, specs);
  if (!values.ok()) {
    SHARDFS_FUZZ_CHECK(values.status().code() == StatusCode::kInvalidArgument);
    return 0;
  }
  const Status taken = RequireTaken(*values, takers, takers, Layouts().front()->name());
  SHARDFS_FUZZ_CHECK(taken.ok() || taken.code() == StatusCode::kInvalidArgument);
  for (const OptionSpec* const spec : specs) {
    const GivenOption* const given = values->Find(spec->name);
    if (given == nullptr) continue;
    if (spec->kind == OptionKind::kCount) SHARDFS_FUZZ_CHECK(values->Count(*spec).value_or(1) >= 1);
    if (spec->kind == OptionKind::kSwitch) SHARDFS_FUZZ_CHECK(values->Switch(*spec).has_value());
    if (spec->kind == OptionKind::kBytes) SHARDFS_FUZZ_CHECK(values->Bytes(*spec).value_or(0) >= 1);
  }
  return 0;
}
