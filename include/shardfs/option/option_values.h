// OptionValues: the options of one request as they hold: who gave each, checked against the declarations of those that
// take them.
//
// Origins, the first that gives an option wins: command line, environment, configuration file, an engine's own file
// (a layout's import). Immutable but for With(), which returns a copy. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/option/option_spec.h"

namespace shardfs {

enum class OptionOrigin : std::uint8_t { kCommandLine, kEnvironment, kConfigFile, kEngineFile };

// One option as it was given. `where` begins messages: "--moe-tp", "the environment's DEEPSEEK_MTP", "a.json: \"tp\"".
struct GivenOption {
  std::string name;  // as OptionSpec::name: with '_'
  std::string text;
  OptionOrigin origin = OptionOrigin::kCommandLine;
  std::string where;
};

// "moe-tp" and "moe_tp" as OptionSpec::name.
std::string OptionNameOf(std::string_view spelled);

// "--moe-tp", as help and messages write an option.
std::string OptionFlagOf(std::string_view name);

class OptionValues {
 public:
  OptionValues() = default;  // nothing given

  // Checks the text of each option by the spec of its name or alias, which becomes the name, and drops those that an earlier origin gives as well.
  // Options without a spec stay: RequireTaken (taken_options.h) refuses them. kInvalidArgument names the option, where
  // it came from, and what it takes; also for an option that one origin gives twice, unless it is a list.
  static Result<OptionValues> Create(std::vector<GivenOption> given, std::span<const OptionSpec* const> specs);

  bool Has(const OptionSpec& spec) const { return Find(spec.name) != nullptr; }

  // Each returns nothing where the option is not given. The spec must be one that Create was given.
  std::optional<std::uint64_t> Count(const OptionSpec& spec) const;  // nothing as well for -1
  std::optional<bool> Switch(const OptionSpec& spec) const;
  std::optional<std::uint64_t> Bytes(const OptionSpec& spec) const;
  std::optional<std::string> Text(const OptionSpec& spec) const;  // kText, kChoice, kFile, kDirectory
  std::vector<std::string> List(const OptionSpec& spec) const;    // empty where it is not given

  const GivenOption* Find(std::string_view name) const;  // nullptr where it is not given; of a list, the first
  std::span<const GivenOption> given() const { return given_; }

  // A copy that has `option` as well, if it does not have one of that name.
  OptionValues With(GivenOption option) const;

 private:
  std::vector<GivenOption> given_;
};

// "10GB", "512MiB", "1000": bytes, at least 1. KB, MB, GB, TB are powers of 1000, KiB, MiB, GiB, TiB of 1024.
Result<std::uint64_t> ParseByteSize(std::string_view text);

// "true", "1", "false", "0".
std::optional<bool> ParseSwitch(std::string_view text);

// "a,{b,c},d" is a, {b,c} and d.
std::vector<std::string> SplitList(std::string_view text);

}  // namespace shardfs
