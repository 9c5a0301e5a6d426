// A pattern matches a message when the literal texts between its placeholders stand in the message in their order, the
// first at the beginning and the last at the end; each literal is taken at the first place where it fits. What stands
// between them are the values, which go into the Chinese pattern. The pattern with the most literal text that matches
// is taken, so that "{} is {}" does not hide a better one.
#include "console/message_text.h"

#include <fmt/args.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

using Values = std::vector<std::string_view>;

// The values of the placeholders; nothing where the message is not of the pattern. Patterns here have plain "{}" only.
std::optional<Values> Match(std::string_view pattern, std::string_view message) {
  constexpr std::string_view kPlace = "{}";
  Values values;
  std::size_t place = pattern.find(kPlace);
  if (place == pattern.npos) return pattern == message ? std::optional(values) : std::nullopt;
  if (!message.starts_with(pattern.substr(0, place))) return std::nullopt;
  message.remove_prefix(place);
  for (;;) {
    pattern.remove_prefix(place + kPlace.size());
    place = pattern.find(kPlace);
    const std::string_view literal = pattern.substr(0, place);
    const bool is_last = place == pattern.npos;
    if (is_last && (message.size() < literal.size() || !message.ends_with(literal))) return std::nullopt;
    const std::size_t at = is_last ? message.size() - literal.size() : message.find(literal);
    if (at == message.npos) return std::nullopt;
    values.push_back(message.substr(0, at));
    if (is_last) return values;
    message.remove_prefix(at + literal.size());
    pattern.remove_prefix(place);
    place = 0;
  }
}

std::size_t LiteralSize(std::string_view pattern) {
  std::size_t size = pattern.size();
  for (std::size_t at = 0; (at = pattern.find("{}", at)) != pattern.npos; at += 2) size -= 2;
  return size;
}

std::optional<std::string> ChineseOfMessage(std::string_view message, int depth) {
  constexpr int kMostDepth = 4;  // of values within values
  if (depth > kMostDepth) return std::nullopt;
  const CatalogueEntry* best = nullptr;
  Values values;
  for (const CatalogueEntry& entry : MessageCatalogue()) {
    if (best != nullptr && LiteralSize(entry.english) <= LiteralSize(best->english)) continue;
    if (auto found = Match(entry.english, message)) {
      best = &entry;
      values = std::move(*found);
    }
  }
  if (best != nullptr) {
    fmt::dynamic_format_arg_store<fmt::format_context> arguments;
    for (const std::string_view value : values) {
      arguments.push_back(ChineseOfMessage(value, depth + 1).value_or(std::string(value)));
    }
    return fmt::vformat(fmt::string_view(best->chinese.data(), best->chinese.size()), arguments);
  }
  const std::size_t context = message.find(": ");
  if (context == message.npos) return std::nullopt;
  const auto rest = ChineseOfMessage(message.substr(context + 2), depth + 1);
  if (!rest) return std::nullopt;
  const std::string_view name = message.substr(0, context);
  return ChineseOfMessage(name, depth + 1).value_or(std::string(name)) + "：" + *rest;
}

// At the last `separator`; the second is empty where there is none.
std::pair<std::string, std::string> SplitAtLast(std::string_view text, std::string_view separator) {
  const std::size_t at = text.rfind(separator);
  if (at == text.npos) return {std::string(text), ""};
  return {std::string(text.substr(0, at)), std::string(text.substr(at + separator.size()))};
}

// Returns whether what stands behind the last "; " is one of several things that are wrong, rather than what to do.
bool IsList(std::string_view message, std::string_view last) {
  constexpr int kMostInASentence = 2;
  int separators = 0;
  for (std::size_t at = 0; (at = message.find("; ", at)) != message.npos; at += 2) ++separators;
  return separators > kMostInASentence || (last.starts_with("and ") && last.ends_with(" more"));
}

// Introduces a message that no pattern is known for as an English one.
Text KnownOrEnglish(const std::string& english) {
  if (english.empty()) return {};
  if (auto chinese = ChineseOfMessage(english, 0)) return {english, *chinese};
  constexpr std::string_view kIntroduction = "（英文原文）";
  return {english, std::string(kIntroduction) + english};
}

}  // namespace

Text TextOfMessage(std::string_view english) {
  return {std::string(english), ChineseOfMessage(english, 0).value_or(std::string(english))};
}

RefusalText RefusalOf(const Status& status) {
  const std::string_view message = status.message();
  auto [problem, remedy] = SplitAtLast(message, "; ");
  if (IsList(message, remedy)) {
    problem = message;
    remedy.clear();
  }
  if (const auto chinese = ChineseOfMessage(message, 0)) {
    const auto [chinese_problem, chinese_remedy] = SplitAtLast(*chinese, "；");
    if (remedy.empty()) return {Text(problem, *chinese), {}};
    if (!chinese_remedy.empty()) return {Text(problem, chinese_problem), Text(remedy, chinese_remedy)};
  }
  return {KnownOrEnglish(problem), KnownOrEnglish(remedy)};
}

Text TextOf(const Status& status) {
  const RefusalText refusal = RefusalOf(status);
  if (refusal.remedy.empty()) return refusal.problem;
  return {refusal.problem.english() + "; " + refusal.remedy.english(),
          refusal.problem.chinese() + "；" + refusal.remedy.chinese()};
}

}  // namespace shardfs
