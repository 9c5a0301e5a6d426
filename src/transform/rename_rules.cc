#include "transform/rename_rules.h"

#include <fmt/format.h>

#include "base/parse_number.h"
#include "base/quote_name.h"

namespace shardfs {

Result<RenameRules::Rule> RenameRules::ParseRule(const std::string& text) {
  constexpr std::string_view kArrow = "=>";
  const std::size_t arrow = text.find(kArrow);
  if (arrow == std::string::npos) {
    return Status::InvalidArgument(fmt::format("rename {} has no '=>'; write FROM=>TO", QuoteName(text)));
  }
  const std::string_view from = std::string_view(text).substr(0, arrow);
  const std::string_view to = std::string_view(text).substr(arrow + kArrow.size());
  Result<TensorPattern> pattern = TensorPattern::Parse(from);
  if (!pattern.ok()) return pattern.status().WithContext("rename");
  Rule rule{text, std::move(pattern).value(), {}, false};
  for (std::size_t i = 0; i < to.size();) {
    const std::size_t open = std::min(to.find('{', i), to.size());
    if (open > i) rule.to.push_back({std::string(to.substr(i, open - i)), 0});
    if (open == to.size()) break;
    const std::size_t close = to.find('}', open);
    if (close == std::string_view::npos) {
      return Status::InvalidArgument(fmt::format("rename {}: a brace is not closed", QuoteName(text)));
    }
    const std::string_view inner = to.substr(open + 1, close - open - 1);
    const auto wildcard = ParseNumber<std::size_t>(inner);
    if (!wildcard || *wildcard == 0 || *wildcard > rule.from.wildcards()) {
      return Status::InvalidArgument(
          fmt::format("rename {}: {{{}}} is no wildcard of {}", QuoteName(text), inner, QuoteName(from)));
    }
    rule.to.push_back({"", *wildcard});
    i = close + 1;
  }
  return rule;
}

Result<RenameRules> RenameRules::Parse(std::span<const std::string> rules) {
  RenameRules parsed;
  for (const std::string& text : rules) {
    SHARDFS_ASSIGN_OR_RETURN(Rule rule, ParseRule(text));
    parsed.rules_.push_back(std::move(rule));
  }
  return parsed;
}

std::string RenameRules::Apply(std::string_view name) {
  for (Rule& rule : rules_) {
    const auto wildcards = rule.from.Match(name);
    if (!wildcards) continue;
    rule.used = true;
    std::string renamed;
    for (const Rule::Piece& piece : rule.to) {
      renamed += piece.wildcard == 0 ? piece.literal : std::string((*wildcards)[piece.wildcard - 1]);
    }
    return renamed;
  }
  return std::string(name);
}

Status RenameRules::CheckAllUsed() const {
  for (const Rule& rule : rules_) {
    if (!rule.used) {
      return Status::InvalidArgument(fmt::format("rename {} matches no tensor", QuoteName(rule.text)));
    }
  }
  return Status::Ok();
}

}  // namespace shardfs
