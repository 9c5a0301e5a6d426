// The flags and variables of vLLM and SGLang that decide whether a server loads sharded_state right: flag, the values
// that are right, and what happens with another. The help of check-vllm and check-sglang prints it.
// Source: spec/sharded-state.md, sections 2, 6 and 7.
//
// Thread-safety: constants.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace shardfs {

// What the value of a flag is held against.
enum class FlagRule : std::uint8_t {
  kLoadFormat,      // sharded_state, and it must be given
  kRanks,           // the directory's number of ranks; 1 where it is not given
  kExpertRanks,     // SGLang: the same for a directory of whole experts, 1 for any other
  kExpertParallel,  // given for a directory of whole experts, and for no other
  kFusion,          // SGLang: given for DeepSeek's shared expert beside the others, and not where it is fused
  kOne,             // 1, or not given
  kOneWithExperts,  // the same, for models with experts
  kDtype,           // the dtype of the directory, or auto where that means it
  kAbsent,          // not given, false, or a word of `allowed`
  kPattern,         // JSON without another "pattern" of names
  kRunner,          // triton, and it must be given, for models with experts
  kLatent,          // 1, and it must be given, for a release that derives MLA's weights too early
  kEarlyBackend,    // not given, or false, for models with experts and a release that loads behind the backend
};

struct FlagRow {
  std::string_view engine;
  std::array<std::string_view, 4> names;  // the first is the usual one; without '-' a variable of the environment
  FlagRule rule;
  std::string_view right;                        // what is right, for people
  std::string_view verdict;                      // what another value does
  std::array<std::string_view, 3> allowed = {};  // kAbsent: values that do no harm
};

std::span<const FlagRow> FlagTable();

// The rows of an engine as text: three columns.
std::string FormatFlagTable(std::string_view engine);

}  // namespace shardfs
