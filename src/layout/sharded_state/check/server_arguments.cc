#include "layout/sharded_state/check/server_arguments.h"

#include <algorithm>
#include <cctype>

namespace shardfs {
namespace {

bool IsFlag(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && std::isdigit(static_cast<unsigned char>(word[1])) == 0;
}

// "VLLM_MLA_DISABLE=1".
bool IsAssignment(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  const std::string_view name = word.substr(0, equals);
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c == '_' || std::isupper(static_cast<unsigned char>(c)) != 0 ||
           std::isdigit(static_cast<unsigned char>(c)) != 0;
  });
}

std::string WithDashes(std::string_view flag) {
  std::string text(flag);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

}  // namespace

void ServerArguments::TakeFlag(std::string_view word, std::span<const std::string> rest) {
  const auto equals = word.find('=');
  std::string flag = WithDashes(word.substr(0, equals));
  std::string value;
  if (equals != std::string_view::npos) {
    value = word.substr(equals + 1);
  } else if (!rest.empty() && !IsFlag(rest.front())) {
    value = rest.front();
  }
  if (flag == "--model" || flag == "--model-path") model_ = value;
  if (flag.starts_with("--no-")) {
    flag.erase(2, 3);
    value = "false";
  }
  given_.emplace_back(std::move(flag), std::move(value));
}

ServerArguments ServerArguments::Parse(std::span<const std::string> words) {
  ServerArguments arguments;
  bool is_before_program = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (IsFlag(word)) {
      arguments.TakeFlag(word, words.subspan(i + 1));
    } else if (is_before_program && IsAssignment(word)) {
      const auto equals = word.find('=');
      arguments.given_.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    } else if (word != "env") {
      is_before_program = false;
      if (i > 0 && words[i - 1] == "serve") arguments.model_ = word;
    }
  }
  return arguments;
}

std::optional<std::string> ServerArguments::Find(std::span<const std::string_view> names) const {
  for (auto given = given_.rbegin(); given != given_.rend(); ++given) {
    if (std::find(names.begin(), names.end(), given->first) != names.end()) return given->second;
  }
  return std::nullopt;
}

}  // namespace shardfs
