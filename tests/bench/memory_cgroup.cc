#include "bench/memory_cgroup.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

namespace shardfs::bench {
namespace {

struct Place {
  std::string path;  // of our own cgroup
  const char* limit_file;
};

// Our own cgroup's path in the hierarchy that `line` of /proc/self/cgroup must be of: "3:memory:/path", "0::/path".
std::string OwnCgroup(std::string_view controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (line.substr(first + 1, second - first - 1) == controller) return line.substr(second + 1);
  }
  return "/";
}

// Where the memory controller is mounted, and how its limit is called there.
Result<Place> FindPlace() {
  std::ifstream file("/proc/self/mounts");
  for (std::string line; std::getline(file, line);) {
    std::string device, path, type, options;
    std::istringstream(line) >> device >> path >> type >> options;
    if (type == "cgroup" && ("," + options + ",").find(",memory,") != std::string::npos) {
      return Place{path + OwnCgroup("memory"), "memory.limit_in_bytes"};
    }
    if (type == "cgroup2") {
      const std::string own = path + OwnCgroup("");
      std::ifstream controllers(own + "/cgroup.controllers");
      for (std::string name; controllers >> name;) {
        if (name == "memory") return Place{own, "memory.max"};
      }
    }
  }
  return Status::NotSupported("no memory controller of cgroups is mounted");
}

Status Write(const std::string& path, const std::string& value) {
  std::ofstream file(path);
  file << value;
  file.close();
  return file.good() ? Status::Ok() : Status::IoError("cannot write " + value + " to " + path);
}

}  // namespace

Result<MemoryCgroup> MemoryCgroup::Make(std::uint64_t bytes) {
  SHARDFS_ASSIGN_OR_RETURN(const Place place, FindPlace());
  const std::string path = fmt::format("{}/shardfs-bench-{}", place.path, ::getpid());
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return Status::FromErrno(errno, "cannot make the cgroup " + path);
  MemoryCgroup cgroup(path);
  // In version 2 a parent hands controllers down; that fails where it has processes itself, which the root may have.
  if (std::string_view(place.limit_file) == "memory.max") {
    SHARDFS_RETURN_IF_ERROR(Write(place.path + "/cgroup.subtree_control", "+memory"));
  }
  SHARDFS_RETURN_IF_ERROR(Write(path + "/" + place.limit_file, std::to_string(bytes)));
  return cgroup;
}

MemoryCgroup::MemoryCgroup(MemoryCgroup&& other) noexcept : path_(std::exchange(other.path_, {})) {}

MemoryCgroup::~MemoryCgroup() {
  if (!path_.empty()) ::rmdir(path_.c_str());
}

}  // namespace shardfs::bench
