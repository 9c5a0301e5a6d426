#include "materialize/memory_limits.h"

#include <charconv>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <string_view>

namespace shardfs {
namespace {

// The names of one version's files, in a control group's directory.
struct CgroupVersion {
  std::string_view limit;
  std::string_view usage;
  std::initializer_list<std::string_view> reclaimable;  // keys of memory.stat
};

const CgroupVersion kVersion2 = {"memory.max", "memory.current", {"inactive_file", "active_file"}};
const CgroupVersion kVersion1 = {
    "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

// The number that a file consists of; nothing for "max", or when there is no such file.
std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return std::nullopt;
  return ParseNumber(word);
}

// The number behind `key` in a file of lines "key number ...".
std::optional<std::uint64_t> ReadKey(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    std::string value;
    if (words >> name >> value && name == key) return ParseNumber(value);
  }
  return std::nullopt;
}

void AddGroup(const std::string& directory, const CgroupVersion& version, std::vector<MemoryLimit>& limits) {
  const auto limit = ReadNumber(directory + "/" + std::string(version.limit));
  const auto usage = ReadNumber(directory + "/" + std::string(version.usage));
  if (!limit || !usage) return;
  std::uint64_t reclaimable = 0;
  for (const std::string_view key : version.reclaimable) {
    reclaimable += ReadKey(directory + "/memory.stat", key).value_or(0);
  }
  const std::uint64_t used = *usage > reclaimable ? *usage - reclaimable : 0;
  limits.push_back({"memory limit of control group " + directory, *limit > used ? *limit - used : 0});
}

// The group at `path` below `root`, and all its ancestors. A container often sees only its own groups, at `root`, while
// `path` is the host's: directories that do not exist have no limit to read.
void AddGroupAndAncestors(const std::string& root, std::string path, const CgroupVersion& version,
                          std::vector<MemoryLimit>& limits) {
  while (!path.empty() && path != "/") {
    AddGroup(root + path, version, limits);
    path.resize(path.find_last_of('/'));
  }
  AddGroup(root, version, limits);
}

bool HasController(std::string_view controllers, std::string_view name) {
  std::istringstream words{std::string(controllers)};
  std::string word;
  while (std::getline(words, word, ',')) {
    if (word == name) return true;
  }
  return false;
}

}  // namespace

std::vector<MemoryLimit> ReadMemoryLimits(const MemoryFiles& files) {
  std::vector<MemoryLimit> limits;
  // A meminfo line is "MemAvailable:   16384 kB", in units of 1024 bytes.
  if (const auto kib = ReadKey(files.proc + "/meminfo", "MemAvailable:")) {
    limits.push_back({"MemAvailable of /proc/meminfo", *kib * 1024});
  }
  std::ifstream groups(files.proc + "/self/cgroup");
  std::string line;  // "0::/path" for version 2, "4:memory:/path" for version 1
  while (std::getline(groups, line)) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line.size() <= second + 1 || line[second + 1] != '/') continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      AddGroupAndAncestors(files.cgroup, path, kVersion2, limits);
    } else if (HasController(controllers, "memory")) {
      AddGroupAndAncestors(files.cgroup + "/memory", path, kVersion1, limits);
    }
  }
  return limits;
}

}  // namespace shardfs
