#include "layout/mindspore/strategy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/parse_number.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

struct StagedName {
  std::optional<std::uint32_t> stage;
  std::string_view name;
};

// "0-embed.weight" is embed.weight of stage 0. A '-' is nowhere else in a name.
Result<StagedName> ParseName(std::string_view name) {
  const std::size_t dash = name.find('-');
  if (dash == name.npos) return StagedName{std::nullopt, name};
  const auto stage = ParseNumber<std::uint32_t>(name.substr(0, dash));
  const std::string_view rest = name.substr(dash + 1);
  if (!stage || *stage >= kMostStages || rest.empty() || rest.find('-') != rest.npos) {
    return Status::Corruption(
        fmt::format("parameter {} has a '-' in its name, and is not of the form STAGE-NAME with a stage below {}",
                    QuoteName(name), kMostStages));
  }
  return StagedName{stage, rest};
}

}  // namespace

bool StrategyParameter::IsOn(std::uint32_t stage) const { return EntryOf(stage) != nullptr; }

const StrategyEntry& StrategyParameter::SourceEntry() const {
  return *std::min_element(entries.begin(), entries.end(),
                           [](const StrategyEntry& a, const StrategyEntry& b) { return a.stage < b.stage; });
}

const StrategyEntry* StrategyParameter::EntryOf(std::uint32_t stage) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const StrategyEntry& entry) { return entry.stage == stage; });
  return found == entries.end() ? nullptr : &*found;
}

Result<StrategyPtr> Strategy::Create(std::vector<Item> items, const Facts& facts) {
  if (items.empty()) {
    return Status::Corruption("it holds the layout of no parameter; it is not a strategy that was saved in training");
  }
  const auto strategy = std::make_shared<Strategy>();
  strategy->facts_ = facts;
  std::map<ParameterLayout, std::uint32_t> known;
  for (Item& item : items) {
    SHARDFS_ASSIGN_OR_RETURN(const StagedName name, ParseName(item.name));
    if (const Status status = CheckParameterLayout(item.layout); !status.ok()) {
      return status.WithContext(fmt::format("parameter {}", QuoteName(item.name)));
    }
    if (strategy->devices_ == 0) strategy->devices_ = DevicesOf(item.layout);
    const auto [place, is_new] =
        known.try_emplace(std::move(item.layout), static_cast<std::uint32_t>(strategy->layouts_.size()));
    if (is_new) strategy->layouts_.push_back(place->first);
    if (!name.stage) strategy->all_names_have_stages_ = false;
    const StrategyEntry entry{name.stage.value_or(0), place->second};
    const auto [found, is_first] = strategy->by_name_.try_emplace(
        std::string(name.name), static_cast<std::uint32_t>(strategy->parameters_.size()));
    if (is_first) strategy->parameters_.push_back({std::string(name.name), {}});
    auto& entries = strategy->parameters_[found->second].entries;
    const StrategyEntry* const earlier = strategy->parameters_[found->second].EntryOf(entry.stage);
    if (earlier != nullptr && earlier->layout != entry.layout) {
      return Status::Corruption(fmt::format(
          "parameter {} stands twice in stage {}, with {} and with {}", QuoteName(name.name), entry.stage,
          DescribeLayout(strategy->layouts_[earlier->layout]), DescribeLayout(strategy->layouts_[entry.layout])));
    }
    if (earlier == nullptr) entries.push_back(entry);
    strategy->stages_.push_back(entry.stage);
  }
  std::sort(strategy->stages_.begin(), strategy->stages_.end());
  strategy->stages_.erase(std::unique(strategy->stages_.begin(), strategy->stages_.end()), strategy->stages_.end());
  return StrategyPtr(strategy);
}

std::optional<std::uint32_t> Strategy::IndexOf(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

const StrategyParameter* Strategy::Find(std::string_view name) const {
  const auto index = IndexOf(name);
  return index ? &parameters_[*index] : nullptr;
}

const StrategyEntry& Strategy::DestinationEntry(const StrategyParameter& parameter, std::uint32_t rank) const {
  const StrategyEntry* chosen = &parameter.entries.front();
  for (const StrategyEntry& entry : parameter.entries) {
    const bool is_first_stage = rank / DevicesOf(LayoutOf(entry)) == 0;
    if (is_first_stage == (entry.stage == 0)) chosen = &entry;
  }
  return *chosen;
}

Status Strategy::CheckStages() const {
  for (std::uint32_t i = 0; i < stages_.size(); ++i) {
    if (stages_[i] == i) continue;
    return Status::Corruption(fmt::format(
        "the strategy is of {} pipeline stages, and stage {} is not among them; merge the files of all stages",
        stages_.size(), i));
  }
  return Status::Ok();
}

}  // namespace shardfs
