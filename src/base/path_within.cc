#include "base/path_within.h"

#include <sys/stat.h>

namespace shardfs {
namespace {

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

bool IsWithin(std::string path, const std::string& directory) {
  struct stat wanted {};
  if (::stat(directory.c_str(), &wanted) != 0) return false;
  for (;;) {
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0 && found.st_dev == wanted.st_dev && found.st_ino == wanted.st_ino)
      return true;
    if (path.empty() || path == "/") return false;
    path = ParentOf(path);
  }
}

}  // namespace shardfs
