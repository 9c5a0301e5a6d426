// Text: what the program says to a person, in every language that it speaks, and the language that a user wants.
//
// Code writes English and nothing else: Tr("uid {} mounts", uid) is that sentence, and its Chinese from the catalogue
// (catalogue.h), in which the English pattern is the key. A test finds every Tr in the source and looks it up there.
// A bare literal is no Text, so that none can be forgotten; a std::string is one, the same in all languages: a path, a
// name, what the system said. Thread-safety: values; the functions may be called from any thread.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace shardfs {

enum class Language : std::uint8_t { kEnglish, kChinese };

// kChinese where the first of LC_ALL, LC_MESSAGES and LANG that is not empty begins with "zh". The variables are read
// as text: a static program has no locales.
Language LanguageOfEnvironment();

class Text {
 public:
  Text() = default;
  Text(std::string same) : english_(same), chinese_(std::move(same)) {}  // NOLINT: a name is a text
  Text(std::string english, std::string chinese) : english_(std::move(english)), chinese_(std::move(chinese)) {}
  Text(const char*) = delete;  // write Tr("...")

  const std::string& In(Language language) const { return language == Language::kChinese ? chinese_ : english_; }
  const std::string& english() const { return english_; }
  const std::string& chinese() const { return chinese_; }
  bool empty() const { return english_.empty(); }

  Text& operator+=(const Text& more) {
    english_ += more.english_;
    chinese_ += more.chinese_;
    return *this;
  }
  explicit operator std::string() const { return english_; }
  friend bool operator==(const Text& text, std::string_view english) { return text.english_ == english; }
  friend std::ostream& operator<<(std::ostream& out, const Text& text) { return out << text.english_; }
  friend Text operator+(Text first, const Text& second) { return first += second; }

 private:
  std::string english_;
  std::string chinese_;
};

// The Chinese of an English sentence or pattern; the English itself where the catalogue does not have it.
std::string_view ChineseOf(std::string_view english);

// A text that is the same in all languages: a command, the name of a flag or a file.
inline Text Name(std::string same) { return {std::move(same)}; }

// A sentence of a constant table, without placeholders.
Text TextOf(std::string_view english);

namespace text_internal {
template <typename Argument>
decltype(auto) Pick(const Argument& argument, [[maybe_unused]] Language language) {
  if constexpr (std::is_same_v<Argument, Text>) {
    return argument.In(language);
  } else {
    return argument;
  }
}
}  // namespace text_internal

// The English `pattern`, a literal, with its arguments, each of which may be a Text itself; and its Chinese.
template <typename... Arguments>
Text Tr(fmt::format_string<Arguments...> pattern, Arguments&&... arguments) {
  const fmt::string_view english = pattern;
  const std::string_view chinese = ChineseOf({english.data(), english.size()});
  const auto write = [&](fmt::string_view text, [[maybe_unused]] Language language) {
    return fmt::vformat(text, fmt::make_format_args(text_internal::Pick(arguments, language)...));
  };
  return {write(english, Language::kEnglish), write({chinese.data(), chinese.size()}, Language::kChinese)};
}

}  // namespace shardfs

template <>
struct fmt::formatter<shardfs::Text> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(const shardfs::Text& text, Context& context) const {
    return fmt::formatter<std::string_view>::format(text.english(), context);
  }
};
