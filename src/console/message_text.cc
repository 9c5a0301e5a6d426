// A pattern matches a message when the literal texts between its placeholders stand in the message in their order, the
// first at the beginning and the last at the end; each literal is taken at the first place where it fits. What stands
// between them are the values, which go into the Chinese pattern, themselves in Chinese where they are known. The
// pattern with the most literal text that matches is taken, so that "{} is {}" does not hide a better one. "{:.0}" in
// the Chinese drops a value that English grammar alone needs: the "s" of "files", an "is" or "are".
#include "console/message_text.h"

#include <fmt/args.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

using Values = std::vector<std::string_view>;

// How deep a reading is in values within values, and how often the whole reading may still go through the catalogue.
// A checkpoint's names stand in messages: without a bound, names made of separators would keep doctor busy for seconds.
struct Reading {
  static constexpr int kMostDepth = 6;
  static constexpr int kMostLooks = 500;  // the messages of the tests take up to a few dozen

  int depth = 0;
  int* looks = nullptr;

  Reading Within() const { return {depth + 1, looks}; }
};

constexpr std::size_t kShortest = 5;  // patterns of less literal text, as "{} or {}", are for values within messages

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

// "'a'; 'b'"
bool AreNames(std::string_view value) {
  bool is_quoted = false;
  for (const char c : value) {
    if (c == '\'') is_quoted = !is_quoted;
    if (c != '\'' && !is_quoted && c != ';' && c != ' ') return false;
  }
  return true;
}

// Returns whether the values are those of one sentence: none holds another sentence of a list, but for a list of names
// and one that the pattern introduces or goes on behind; none the end of one parenthesis and the begin of another; and
// the first no context ("NAME: ") that belongs in front of the whole.
bool IsOneSentence(std::string_view pattern, const Values& values) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < values.size(); ++i, at += 2) {
    at = pattern.find("{}", at);
    const std::string_view before = pattern.substr(0, at);
    const bool is_list = before.ends_with(": ") || before.ends_with("(") || pattern.substr(at).starts_with("{}; ");
    if (!is_list && !AreNames(values[i]) && values[i].find("; ") != std::string_view::npos) return false;
    if (values[i].find(')') < values[i].find('(')) return false;  // of two parentheses
    const bool is_context = pattern.starts_with("{}:") || pattern.starts_with("{};");
    const std::size_t context = values[i].find(": ");
    if (at == 0 && !is_context && context != std::string_view::npos && values[i].find('(') > context) return false;
  }
  return true;
}

struct Recognised {
  const CatalogueEntry* entry = nullptr;
  Values values;
};

// The pattern with the most literal text that matches, of at least `least` bytes; with `one_sentence`, of those whose
// values are of one. What the checks for MindIE say is in messages, too, as a plan warns of it: at depth 0 not by its
// short patterns, which say nothing without their subject.
Recognised Recognise(std::string_view message, bool one_sentence, std::size_t least, Reading reading) {
  constexpr std::size_t kTelling = 12;
  Recognised best;
  if (--*reading.looks < 0) return best;
  std::size_t most = 0;
  const auto look = [&](const CatalogueEntry& entry, std::size_t smallest) {
    const std::size_t size = LiteralSize(entry.english);
    if (size < smallest || (best.entry != nullptr && size <= most)) return;
    auto values = Match(entry.english, message);
    if (!values || (one_sentence && !IsOneSentence(entry.english, *values))) return;
    // "{} or {}" is of two names, not of two halves of a sentence.
    if (size < kShortest && entry.english.starts_with("{}") && values->front().find(' ') != values->front().npos)
      return;
    best = {&entry, std::move(*values)};
    most = size;
  };
  for (const CatalogueEntry& entry : MessageCatalogue()) look(entry, least);
  for (const CatalogueEntry& entry : MindieCatalogue()) look(entry, reading.depth == 0 ? kTelling : least);
  return best;
}

std::optional<std::string> ChineseOfMessage(std::string_view message, Reading reading);

// Two placeholders side by side, as in "({}{})": all that stands there is the value of the second at first. It is
// parted where the end of it is known by itself, as " among them" is.
void PartNeighbours(std::string_view pattern, Values& values, Reading reading) {
  std::vector<std::size_t> begins;
  for (std::size_t at = 0; (at = pattern.find("{}", at)) != pattern.npos; at += 2) begins.push_back(at);
  for (std::size_t i = begins.size() - 1; i > 0; --i) {
    if (begins[i - 1] + 2 != begins[i] || ChineseOfMessage(values[i], reading.Within())) continue;
    const std::string_view both = values[i];
    std::size_t at = both.find_first_of(" ,;:(", 1);
    while (at < both.size() && !ChineseOfMessage(both.substr(at), reading.Within()))
      at = both.find_first_of(" ,;:(", at + 1);
    values[i - 1] = both.substr(0, at);
    values[i] = at < both.size() ? both.substr(at) : std::string_view();
  }
}

std::string InChinese(Recognised found, Reading reading) {
  if (!found.values.empty()) PartNeighbours(found.entry->english, found.values, reading);
  fmt::dynamic_format_arg_store<fmt::format_context> arguments;
  for (const std::string_view value : found.values) {
    arguments.push_back(ChineseOfMessage(value, reading.Within()).value_or(std::string(value)));
  }
  const std::string_view chinese = found.entry->chinese;
  return fmt::vformat(fmt::string_view(chinese.data(), chinese.size()), arguments);
}

// "8 ranks", where the noun is one that is counted.
std::optional<std::string> ChineseOfCount(std::string_view message) {
  const std::size_t digits = message.find_first_not_of("0123456789");
  if (digits == 0 || digits == message.npos || message[digits] != ' ') return std::nullopt;
  for (const CatalogueEntry& entry : CountCatalogue()) {
    if (entry.english.substr(2) == message.substr(digits)) {
      return fmt::format(fmt::runtime(entry.chinese), message.substr(0, digits));
    }
  }
  return std::nullopt;
}

// As one sentence; as the last of a list and what stands before it; as a context and a message; and where none of
// these is known, as a sentence whatever its values hold.
std::optional<std::string> ChineseOfMessage(std::string_view message, Reading reading) {
  constexpr std::size_t kSentence = 6;  // less literal text, as in "{}: \"{}\" {}", may hide a better reading
  if (reading.depth > Reading::kMostDepth || *reading.looks <= 0 || message.empty()) return std::nullopt;
  if (auto count = ChineseOfCount(message)) return count;
  if (Recognised found = Recognise(message, true, kSentence, reading); found.entry != nullptr) {
    return InChinese(std::move(found), reading);
  }
  if (const std::size_t end = message.rfind("; "); end != message.npos) {
    const auto last = ChineseOfMessage(message.substr(end + 2), reading.Within());
    const auto before = last ? ChineseOfMessage(message.substr(0, end), reading) : std::nullopt;
    if (before) return *before + "；" + *last;
  }
  for (std::size_t context = 0; (context = message.find(": ", context)) != message.npos; context += 2) {
    const std::string_view name = message.substr(0, context);
    const bool is_open = std::count(name.begin(), name.end(), '\'') % 2 == 1;
    const bool is_within_quotes = name.starts_with('\'') && !name.ends_with('\'') && is_open;
    if (is_within_quotes) continue;
    if (const auto rest = ChineseOfMessage(message.substr(context + 2), reading.Within())) {
      return ChineseOfMessage(name, reading.Within()).value_or(std::string(name)) + "：" + *rest;
    }
    break;
  }
  Recognised found = Recognise(message, false, reading.depth == 0 ? kShortest : 0, reading);
  if (found.entry == nullptr) return std::nullopt;
  return InChinese(std::move(found), reading);
}

// A message that is too long, or that takes too many looks, is not taken for known in part.
std::optional<std::string> ChineseOfMessage(std::string_view message) {
  constexpr std::size_t kMostBytes = 4096;
  if (message.size() > kMostBytes) return std::nullopt;
  int looks = Reading::kMostLooks;
  auto chinese = ChineseOfMessage(message, Reading{0, &looks});
  return looks > 0 ? chinese : std::nullopt;
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
  if (auto chinese = ChineseOfMessage(english)) return {english, *chinese};
  constexpr std::string_view kIntroduction = "（英文原文）";
  return {english, std::string(kIntroduction) + english};
}

}  // namespace

Text TextOfMessage(std::string_view english) {
  return {std::string(english), ChineseOfMessage(english).value_or(std::string(english))};
}

RefusalText RefusalOf(const Status& status) {
  const std::string_view message = status.message();
  auto [problem, remedy] = SplitAtLast(message, "; ");
  if (IsList(message, remedy)) {
    problem = message;
    remedy.clear();
  }
  if (const auto chinese = ChineseOfMessage(message)) {
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
