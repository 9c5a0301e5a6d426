#include "shardfs/option/option_taker.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/nearest_name.h"

namespace shardfs {
namespace {

bool Takes(const OptionTaker& taker, std::string_view name) {
  return std::any_of(taker.options.begin(), taker.options.end(), [&](const OptionSpec& spec) {
    return spec.name == name || (!spec.alias.empty() && spec.alias == name);
  });
}

bool AnyTakes(std::span<const OptionTaker> takers, std::string_view name) {
  return std::any_of(takers.begin(), takers.end(), [&](const OptionTaker& taker) { return Takes(taker, name); });
}

Status NotTaken(const GivenOption& option, std::span<const OptionTaker> all, std::string_view layout) {
  const std::string flag = OptionFlagOf(option.name);
  const bool is_flag = option.where == flag;  // as it was written, so will be what is proposed
  std::vector<std::string_view> takers;
  std::vector<std::string> names;
  for (const OptionTaker& taker : all) {
    if (Takes(taker, option.name)) takers.push_back(taker.name);
    for (const OptionSpec& spec : taker.options)
      names.push_back(is_flag ? OptionFlagOf(spec.name) : std::string(spec.name));
  }
  const std::string from = is_flag ? "" : fmt::format(" ({})", option.where);
  if (!takers.empty()) {
    const auto last = takers.end() - 1;
    return Status::InvalidArgument(fmt::format("the {} layout has no {}{}; {}{}{} {}", layout, flag, from,
                                               fmt::join(takers.begin(), last, ", "), takers.size() > 1 ? " and " : "",
                                               *last, takers.size() == 1 ? "has" : "have"));
  }
  const std::string meant = DidYouMean(is_flag ? flag : option.name, names);
  return Status::InvalidArgument(
      fmt::format("there is no option {}{}{}", flag, from,
                  meant.empty() ? "; `shardfs layouts` lists the options of each layout" : meant));
}

}  // namespace

std::vector<const OptionSpec*> SpecsOf(std::span<const OptionTaker> takers) {
  std::vector<const OptionSpec*> specs;
  for (const OptionTaker& taker : takers) {
    for (const OptionSpec& spec : taker.options) specs.push_back(&spec);
  }
  return specs;
}

Status RequireTaken(const OptionValues& values, std::span<const OptionTaker> chosen, std::span<const OptionTaker> all,
                    std::string_view layout) {
  for (const GivenOption& option : values.given()) {
    if (option.origin == OptionOrigin::kEnvironment || AnyTakes(chosen, option.name)) continue;
    return NotTaken(option, all, layout);
  }
  return Status::Ok();
}

}  // namespace shardfs
