// The entries of the catalogue, and the literals of the source that they are held against.
#pragma once

#include <algorithm>
#include <cctype>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "console/catalogue/catalogue.h"

namespace shardfs {

inline std::vector<CatalogueEntry> Entries() {
  std::vector<CatalogueEntry> all;
  for (const auto& part : Catalogue()) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// The value of adjacent literals: "a " "b" is "a b".
inline std::string ValueOf(const std::string& literals) {
  std::string value;
  bool inside = false;
  for (std::size_t i = 0; i < literals.size(); ++i) {
    if (literals[i] == '"') {
      inside = !inside;
    } else if (inside) {
      if (literals[i] == '\\') ++i;
      value += literals[i];
    }
  }
  return value;
}

// The literals of C++ source that are no part of an option's declaration (help, shown by --help); adjacent ones joined.
inline std::vector<std::string> MessageLiterals(const std::string& source) {
  std::vector<std::string> found;
  std::string code;  // without literals and comments
  bool joins = false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source.compare(i, 2, "//") == 0 || (source[i] == '#' && (i == 0 || source[i - 1] == '\n'))) {
      i = std::min(source.find('\n', i), source.size());
    } else if (source.compare(i, 2, "R\"") == 0) {
      i = source.find(")" + source.substr(i + 2, source.find('(', i) - i - 2) + "\"", i);
      i = source.find('"', i);
    } else if (source[i] == '\'' && i > 0 && std::isalnum(static_cast<unsigned char>(source[i - 1])) == 0) {
      i = source.find('\'', i + (source[i + 1] == '\\' ? 3 : 2));
    } else if (source[i] == '"') {
      std::string text;
      for (++i; source[i] != '"'; ++i) {
        const bool is_escaped = source[i] == '\\';
        if (is_escaped) ++i;
        text += is_escaped && source[i] == 'n' ? '\n' : source[i];
      }
      const std::size_t begin = code.find_last_of("{;");
      const bool is_declared = begin != code.npos && code.find("OptionKind::", begin) != code.npos;
      if (joins && !found.empty()) {
        found.back() += text;
      } else {
        found.push_back(is_declared ? "" : text);
      }
      joins = true;
    } else {
      joins = joins && std::isspace(static_cast<unsigned char>(source[i])) != 0;
      code += source[i];
    }
  }
  return found;
}

// "{:3}" and "{0}" as "{}", and doubled braces as one, as entries are written.
inline std::string PlainPattern(const std::string& pattern) {
  std::string plain;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const std::size_t end = pattern.find('}', i);
    if (pattern.compare(i, 2, "{{") == 0 || pattern.compare(i, 2, "}}") == 0) {
      plain += pattern[i++];
    } else if (pattern[i] == '{' && end != pattern.npos &&
               pattern.substr(i + 1, end - i - 1).find_first_not_of("0123456789:.fgox") == pattern.npos) {
      plain += "{}";
      i = end;
    } else {
      plain += pattern[i];
    }
  }
  return plain;
}

// Three English words in a row; values may stand between them. Identifiers and paths are no words.
inline bool IsSentence(std::string_view text) {
  int words = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    std::string_view word = text.substr(begin, end - begin);
    begin = end + 1;
    while (!word.empty() && std::ispunct(static_cast<unsigned char>(word.back())) != 0) word.remove_suffix(1);
    while (!word.empty() && std::ispunct(static_cast<unsigned char>(word.front())) != 0) word.remove_prefix(1);
    if (word.empty()) continue;
    const bool is_word = std::all_of(word.begin(), word.end(), [](char c) {
      return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '\'' || c == '-';
    });
    words = is_word ? words + 1 : 0;
    if (words == 3) return true;
  }
  return false;
}

// The first literals of refusals, of which a word is enough.
inline std::vector<std::string> Refusals(const std::string& source) {
  static const std::regex pattern(
      R"re((?:(?:Status::[A-Z]\w+|WithContext|AddDefect)\(|\bRefuse\("[a-z-]+",\s*)(?:fmt::format\(\s*)?((?:"(?:[^"\\]|\\.)*"\s*)+))re");
  std::vector<std::string> found;
  for (auto at = std::sregex_iterator(source.begin(), source.end(), pattern); at != std::sregex_iterator(); ++at) {
    std::string refusal = ValueOf((*at)[1]);
    if (refusal.find(' ') != std::string::npos) found.push_back(std::move(refusal));  // not the name of an option
  }
  return found;
}

}  // namespace shardfs
