// Most patterns of a table differ from most names at their end, so a name is first held against the text before the
// first wildcard and behind the last one, which costs next to nothing.
#include "layout/rank_cut/name_pattern.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "layout/rank_cut/refusal.h"

namespace shardfs::rank_cut {

Result<NamePattern> NamePattern::Parse(std::string_view text) {
  auto parsed = TensorPattern::Parse(text);
  if (!parsed.ok()) return Refuse("bad-rule", parsed.status().message());
  NamePattern pattern;
  pattern.pattern_ = std::move(parsed).value();
  const std::size_t first = std::min(text.find_first_of("*{"), text.size());
  pattern.prefix_ = text.substr(0, first);
  std::size_t wildcard = 0;
  std::size_t behind = 0;  // the last wildcard
  for (std::size_t i = first; i < text.size(); i = std::min(text.find_first_of("*{", behind), text.size())) {
    const std::size_t end = text[i] == '{' ? text.find('}', i) + 1 : i + (text.substr(i).starts_with("**") ? 2 : 1);
    const std::string_view word = text.substr(i, end - i);
    behind = end;
    for (auto& [name, place] : {std::pair("{L}", &pattern.layer_), std::pair("{E}", &pattern.expert_)}) {
      if (word != name) continue;
      if (place->has_value()) return Refuse("bad-rule", fmt::format("pattern {} has {} twice", QuoteName(text), name));
      *place = wildcard;
    }
    ++wildcard;
  }
  pattern.suffix_ = text.substr(behind);
  return pattern;
}

bool NamePattern::MayMatch(std::string_view name) const {
  return name.size() >= prefix_.size() && name.ends_with(suffix_) && name.starts_with(prefix_);
}

std::optional<NamePattern::Found> NamePattern::Match(std::string_view name) const {
  if (!MayMatch(name)) return std::nullopt;
  auto wildcards = pattern_.Match(name);
  if (!wildcards) return std::nullopt;
  Found found{std::move(*wildcards), std::nullopt, std::nullopt};
  const auto number = [&](const std::optional<std::size_t>& place, std::optional<std::uint64_t>& value) {
    if (!place) return true;
    value = ParseNumber<std::uint64_t>(found.wildcards[*place]);
    return value.has_value() && *value <= INT64_MAX;
  };
  if (!number(layer_, found.layer) || !number(expert_, found.expert)) return std::nullopt;
  return found;
}

Result<OutputName> OutputName::Parse(std::string_view text, const NamePattern& pattern) {
  const auto wrong = [&](std::string_view problem) {
    return Refuse("bad-rule", fmt::format("output name {}: {}", QuoteName(text), problem));
  };
  if (text.empty()) return wrong("it is empty");
  OutputName name;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t open = std::min(text.find('{', i), text.size());
    if (open > i) name.pieces_.push_back({std::string(text.substr(i, open - i))});
    if (open == text.size()) break;
    const std::size_t close = text.find('}', open);
    if (close == std::string_view::npos) return wrong("a brace is not closed");
    const std::string_view inner = text.substr(open + 1, close - open - 1);
    const auto number = ParseNumber<std::size_t>(inner);
    std::optional<std::size_t> wildcard;
    if (inner == "L") wildcard = pattern.layer_wildcard();
    if (inner == "E") wildcard = pattern.expert_wildcard();
    if (number && *number >= 1 && *number <= pattern.wildcards()) wildcard = *number - 1;
    if (!wildcard) return wrong(fmt::format("{{{}}} stands for nothing of {}", inner, QuoteName(pattern.text())));
    name.pieces_.push_back(
        {"", *wildcard + 1, wildcard == pattern.layer_wildcard(), wildcard == pattern.expert_wildcard()});
    i = close + 1;
  }
  return name;
}

std::string OutputName::Of(const NamePattern::Found& found, std::optional<std::uint64_t> layer,
                           std::optional<std::uint64_t> expert) const {
  std::string name;
  for (const Piece& piece : pieces_) {
    if (piece.is_layer && layer) {
      name += std::to_string(*layer);
    } else if (piece.is_expert && expert) {
      name += std::to_string(*expert);
    } else {
      name += piece.wildcard == 0 ? std::string_view(piece.literal) : found.wildcards[piece.wildcard - 1];
    }
  }
  return name;
}

std::string Renumbered(std::string_view name, const NamePattern& pattern, const NamePattern::Found& found,
                       std::optional<std::uint64_t> layer, std::optional<std::uint64_t> expert) {
  std::string renamed;
  const char* from = name.data();
  for (std::size_t i = 0; i < found.wildcards.size(); ++i) {
    const auto number = i == pattern.layer_wildcard()    ? (layer == found.layer ? std::nullopt : layer)
                        : i == pattern.expert_wildcard() ? (expert == found.expert ? std::nullopt : expert)
                                                         : std::nullopt;
    if (!number) continue;
    const std::string_view old = found.wildcards[i];
    renamed.append(from, old.data());
    renamed += std::to_string(*number);
    from = old.data() + old.size();
  }
  return renamed.append(from, name.data() + name.size());
}

}  // namespace shardfs::rank_cut
