// A server's own command line, as its argument parser takes it: flags, their values, and the variables before the
// program.
//
// Immutable once parsed; thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace shardfs {

class ServerArguments {
 public:
  // `words` as a shell gives them: "VLLM_MLA_DISABLE=1 vllm serve DIR --tensor-parallel-size 2 -pp=1". A flag may be
  // written with '_' for '-', and with '=' before its value. Where a flag is given twice, the last counts.
  static ServerArguments Parse(std::span<const std::string> words);

  // The value of the first of `names` that is given (without leading '-' it is a variable); "" for a flag without one.
  // Nothing where none is given. A flag "--no-NAME" gives "false" for "--NAME".
  std::optional<std::string> Find(std::span<const std::string_view> names) const;

  // The model: the word behind --model or --model-path, or of `vllm serve`; empty where there is none.
  const std::string& model() const { return model_; }

 private:
  void TakeFlag(std::string_view word, std::span<const std::string> rest);

  std::vector<std::pair<std::string, std::string>> given_;  // flags with '-' inside, in order; variables too
  std::string model_;
};

}  // namespace shardfs
