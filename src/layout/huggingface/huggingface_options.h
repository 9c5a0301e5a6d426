// The options of the huggingface layout. (spec/huggingface-view.md, section 1)
#pragma once

#include <cstdint>
#include <span>

#include "view/index_json.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"
#include "shardfs/view/view.h"

namespace shardfs {

struct HuggingfaceOptions {
  enum class Order : std::uint8_t { kIndex, kFile, kNatural };

  bool keep_files = false;  // files=source
  std::uint64_t max_shard_bytes = 5'000'000'000;
  Order order = Order::kIndex;
  IndexForm index = IndexForm::kTransformers;
  bool has_metadata = true;  // __metadata__ {"format": "pt"} in files that are written anew

  static std::span<const OptionSpec> Specs();

  // kInvalidArgument for options that files=source does not have, for this checkpoint.
  static Result<HuggingfaceOptions> Parse(const OptionValues& values, const Checkpoint& checkpoint);

  OptionPairs InForce() const;
};

}  // namespace shardfs
