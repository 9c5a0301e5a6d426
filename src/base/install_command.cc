#include "base/install_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>
#include <string_view>

#include "base/text_file.h"

namespace shardfs {
namespace {

enum class Family { kUnknown, kDebian, kRedHat, kSuse };

// The value of NAME=value in os-release(5), without its quotes and in lower case; empty where it is not there.
std::string OsReleaseValue(const std::string& text, std::string_view name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(std::string(name) + "=")) continue;
    std::string value = line.substr(name.size() + 1);
    std::erase_if(value, [](char c) { return c == '"' || c == '\'' || c == '\r'; });
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return value;
  }
  return "";
}

// Kylin and UOS are made both ways under one name, so they are not here.
Family FamilyOf(std::string_view id) {
  constexpr std::array<std::string_view, 2> kDebian = {"debian", "ubuntu"};
  constexpr std::array<std::string_view, 7> kRedHat = {"fedora", "rhel",   "centos", "openeuler",
                                                       "euleros", "anolis", "alinux"};
  const auto is_in = [id](const auto& list) { return std::find(list.begin(), list.end(), id) != list.end(); };
  if (is_in(kDebian)) return Family::kDebian;
  if (is_in(kRedHat)) return Family::kRedHat;
  return id.find("suse") != id.npos || id == "sles" ? Family::kSuse : Family::kUnknown;
}

Family FamilyOfMachine(const std::string& root) {
  auto text = ReadTextFile(root + "/etc/os-release");
  if (!text.ok()) text = ReadTextFile(root + "/usr/lib/os-release");
  if (!text.ok()) return Family::kUnknown;
  std::istringstream words(OsReleaseValue(*text, "ID") + " " + OsReleaseValue(*text, "ID_LIKE"));
  for (std::string word; words >> word;) {
    if (const Family family = FamilyOf(word); family != Family::kUnknown) return family;
  }
  return Family::kUnknown;
}

}  // namespace

std::string InstallCommand(const std::string& package, const std::string& root) {
  const auto has = [&root](const std::string& program) {
    return ::access((root + "/usr/bin/" + program).c_str(), X_OK) == 0;
  };
  std::string manager;
  switch (FamilyOfMachine(root)) {
    case Family::kDebian: manager = "apt-get"; break;
    case Family::kRedHat: manager = has("dnf") || !has("yum") ? "dnf" : "yum"; break;
    case Family::kSuse: manager = "zypper"; break;
    case Family::kUnknown:
      for (const char* program : {"apt-get", "dnf", "yum", "zypper"}) {
        if (manager.empty() && has(program)) manager = program;
      }
  }
  return manager.empty() ? "install the package " + package : manager + " install " + package;
}

}  // namespace shardfs
