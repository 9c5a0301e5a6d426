// Strategy: what a strategy file, or a directory of them, says of all parameters: on which pipeline stages each is, and
// how it is cut there. (spec/mindspore.md, section 1)
//
// A parameter is known by its name without the stage that merged files put before it ("0-embed.weight"). It may stand
// in several stages (an embedding that the first and the last stage share), with a layout for each.
//
// Immutable; may be shared among threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "layout/mindspore/parameter_layout.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Where a parameter is, in the order of the file.
struct StrategyEntry {
  std::uint32_t stage = 0;
  std::uint32_t layout = 0;  // in Strategy::layouts()
};

struct StrategyParameter {
  std::string name;                    // without stage
  std::vector<StrategyEntry> entries;  // at least one; each stage once

  bool IsOn(std::uint32_t stage) const;
  // What holds where the strategy is that of the source: the entry of the lowest stage.
  const StrategyEntry& SourceEntry() const;
  const StrategyEntry* EntryOf(std::uint32_t stage) const;  // nullptr where it is not on that stage
};

// Pipeline stages are numbered below this.
inline constexpr std::uint32_t kMostStages = 1024;

class Strategy;
using StrategyPtr = std::shared_ptr<const Strategy>;

class Strategy {
 public:
  // A parameter as the file names it.
  struct Item {
    std::string name;
    ParameterLayout layout;
  };

  // What a file is made of beside its parameters.
  struct Facts {
    bool is_json = false;
    bool has_operators = false;  // strategies of operators stand before those of parameters
    std::string digest{};        // of the text, for the identity of a run
  };

  // Checks names and layouts. kCorruption where there is no parameter or one is wrong.
  static Result<StrategyPtr> Create(std::vector<Item> items, const Facts& facts);

  // In the order of the file.
  std::span<const StrategyParameter> parameters() const { return parameters_; }
  const StrategyParameter* Find(std::string_view name) const;  // nullptr where there is none
  std::optional<std::uint32_t> IndexOf(std::string_view name) const;

  // Distinct layouts, in the order of first mention.
  std::span<const ParameterLayout> layouts() const { return layouts_; }
  const ParameterLayout& LayoutOf(const StrategyEntry& entry) const { return layouts_[entry.layout]; }

  // What holds for a rank where the strategy is that of the destination.
  const StrategyEntry& DestinationEntry(const StrategyParameter& parameter, std::uint32_t rank) const;

  std::uint32_t devices() const { return devices_; }                 // of a stage: those of the first parameter
  std::span<const std::uint32_t> stages() const { return stages_; }  // ascending
  std::uint64_t ranks() const { return std::uint64_t{devices_} * stages_.size(); }

  // kCorruption unless the stages are 0, 1, ... without a gap.
  Status CheckStages() const;

  const Facts& facts() const { return facts_; }
  bool all_names_have_stages() const { return all_names_have_stages_; }

 private:
  std::vector<StrategyParameter> parameters_;
  std::vector<ParameterLayout> layouts_;
  std::unordered_map<std::string, std::uint32_t> by_name_;
  std::vector<std::uint32_t> stages_;
  std::uint32_t devices_ = 0;
  Facts facts_;
  bool all_names_have_stages_ = true;
};

}  // namespace shardfs
