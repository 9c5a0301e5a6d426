#include "shardfs/option/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

const OptionSpec* SpecOf(std::string_view name, std::span<const OptionSpec* const> specs) {
  const auto found = std::find_if(specs.begin(), specs.end(), [&](const OptionSpec* spec) {
    return spec->name == name || (!spec->alias.empty() && spec->alias == name);
  });
  return found == specs.end() ? nullptr : *found;
}

Status Wrong(const GivenOption& option, std::string_view problem) {
  return Status::InvalidArgument(fmt::format("{} is {}, and {}", option.where, QuoteName(option.text), problem));
}

Status CheckCount(const GivenOption& option) {
  const auto number = ParseNumber<std::int64_t>(option.text);
  if (number && (*number >= 1 || *number == -1)) return Status::Ok();
  return Wrong(option, "must be a whole number of at least 1, or -1 for the default");
}

Status CheckText(const GivenOption& option, const OptionSpec& spec) {
  if (option.text.empty())
    return Status::InvalidArgument(fmt::format("{} is empty; write a value or leave it out", option.where));
  switch (spec.kind) {
    case OptionKind::kCount:
      return CheckCount(option);
    case OptionKind::kSwitch:
      return ParseSwitch(option.text) ? Status::Ok() : Wrong(option, "must be true or false");
    case OptionKind::kBytes: {
      const auto bytes = ParseByteSize(option.text);
      return bytes.ok() ? Status::Ok() : bytes.status().WithContext(option.where);
    }
    case OptionKind::kChoice:
      if (std::find(spec.choices.begin(), spec.choices.end(), option.text) != spec.choices.end()) return Status::Ok();
      return Wrong(option, fmt::format("must be {}", fmt::join(spec.choices, " or ")));
    case OptionKind::kText:
    case OptionKind::kList:
    case OptionKind::kFile:
    case OptionKind::kDirectory:
      return Status::Ok();
  }
  return Status::Ok();
}

}  // namespace

std::string OptionNameOf(std::string_view spelled) {
  std::string name(spelled);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string OptionFlagOf(std::string_view name) {
  std::string flag = "--" + std::string(name);
  std::replace(flag.begin() + 2, flag.end(), '_', '-');
  return flag;
}

Result<OptionValues> OptionValues::Create(std::vector<GivenOption> given, std::span<const OptionSpec* const> specs) {
  std::stable_sort(given.begin(), given.end(),
                   [](const GivenOption& a, const GivenOption& b) { return a.origin < b.origin; });
  OptionValues values;
  for (GivenOption& option : given) {
    const OptionSpec* const spec = SpecOf(option.name, specs);
    if (spec != nullptr) option.name = spec->name;  // where an alias was given
    const GivenOption* const earlier = values.Find(option.name);
    const bool is_list = spec != nullptr && spec->kind == OptionKind::kList;
    if (earlier != nullptr && earlier->origin != option.origin) continue;
    if (earlier != nullptr && !is_list) {
      return Status::InvalidArgument(fmt::format("{} is given twice, as {} and as {}; give it once", option.where,
                                                 QuoteName(earlier->text), QuoteName(option.text)));
    }
    if (spec != nullptr) SHARDFS_RETURN_IF_ERROR(CheckText(option, *spec));
    values.given_.push_back(std::move(option));
  }
  return values;
}

const GivenOption* OptionValues::Find(std::string_view name) const {
  const auto found =
      std::find_if(given_.begin(), given_.end(), [&](const GivenOption& option) { return option.name == name; });
  return found == given_.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> OptionValues::Count(const OptionSpec& spec) const {
  assert(spec.kind == OptionKind::kCount);
  const GivenOption* const option = Find(spec.name);
  return option == nullptr ? std::nullopt : ParseNumber<std::uint64_t>(option->text);  // nothing for -1
}

std::optional<bool> OptionValues::Switch(const OptionSpec& spec) const {
  assert(spec.kind == OptionKind::kSwitch);
  const GivenOption* const option = Find(spec.name);
  return option == nullptr ? std::nullopt : ParseSwitch(option->text);
}

std::optional<std::uint64_t> OptionValues::Bytes(const OptionSpec& spec) const {
  assert(spec.kind == OptionKind::kBytes);
  const GivenOption* const option = Find(spec.name);
  if (option == nullptr) return std::nullopt;
  const auto bytes = ParseByteSize(option->text);
  return bytes.ok() ? std::optional(*bytes) : std::nullopt;
}

std::optional<std::string> OptionValues::Text(const OptionSpec& spec) const {
  const GivenOption* const option = Find(spec.name);
  return option == nullptr ? std::nullopt : std::optional(option->text);
}

std::vector<std::string> OptionValues::List(const OptionSpec& spec) const {
  assert(spec.kind == OptionKind::kList);
  std::vector<std::string> items;
  for (const GivenOption& option : given_) {
    if (option.name != spec.name) continue;
    for (std::string& item : SplitList(option.text)) items.push_back(std::move(item));
  }
  return items;
}

OptionValues OptionValues::With(GivenOption option) const {
  OptionValues values = *this;
  if (values.Find(option.name) == nullptr) values.given_.push_back(std::move(option));
  return values;
}

Result<std::uint64_t> ParseByteSize(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::uint64_t>, 10> kUnits{{
      {"", 1},
      {"B", 1},
      {"KB", 1'000},
      {"MB", 1'000'000},
      {"GB", 1'000'000'000},
      {"TB", 1'000'000'000'000},
      {"KiB", 1ull << 10},
      {"MiB", 1ull << 20},
      {"GiB", 1ull << 30},
      {"TiB", 1ull << 40},
  }};
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(digits);
  const auto number = ParseNumber<std::uint64_t>(text.substr(0, digits));
  if (number && *number > 0) {
    for (const auto& [name, factor] : kUnits) {
      if (unit != name) continue;
      if (const auto bytes = CheckedMul(*number, factor)) return *bytes;
    }
  }
  return Status::InvalidArgument("'" + std::string(text) +
                                 "' is no size; write a whole number above 0 and a unit, as in 10GB (KB, MB, GB, TB, "
                                 "KiB, MiB, GiB, TiB, or none for bytes)");
}

std::optional<bool> ParseSwitch(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return std::nullopt;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  std::size_t begin = 0;
  int braces = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '{') ++braces;
    if (i < text.size() && text[i] == '}' && braces > 0) --braces;
    if (i < text.size() && (text[i] != ',' || braces > 0)) continue;
    if (i > begin) items.emplace_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  return items;
}

}  // namespace shardfs
