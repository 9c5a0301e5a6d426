#include "console/text.h"

#include <array>
#include <span>
#include <string>
#include <unordered_map>

#include "base/environment_variable.h"
#include "console/catalogue/catalogue.h"

namespace shardfs {

Language LanguageOfEnvironment() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const std::string value = EnvironmentVariable(name).value_or("");
    if (!value.empty()) return value.starts_with("zh") ? Language::kChinese : Language::kEnglish;
  }
  return Language::kEnglish;
}

std::string_view ChineseOf(std::string_view english) {
  static const auto* const kByEnglish = [] {
    auto* const map = new std::unordered_map<std::string_view, std::string_view>;
    const auto add = [map](std::span<const CatalogueEntry> part) {
      for (const CatalogueEntry& entry : part) map->emplace(entry.english, entry.chinese);
    };
    for (const auto& part : Catalogue()) add(part);
    add(MessageCatalogue());
    return map;
  }();
  const auto found = kByEnglish->find(english);
  return found == kByEnglish->end() ? english : found->second;
}

Text TextOf(std::string_view english) { return {std::string(english), std::string(ChineseOf(english))}; }

}  // namespace shardfs
