#include "verify/verifier_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/quote_name.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

Status CannotList(int error, const std::string& path) {
  const Status status = Status::FromErrno(error, fmt::format("cannot list {}", QuoteName(path)));
  // A folder that vanishes while it is being listed is a failure of the run, not a wrong command line.
  return status.code() == StatusCode::kNotFound ? Status::IoError(std::string(status.message())) : status;
}

class Walk {
 public:
  Walk(int root, const std::string& directory, std::size_t max_depth,
       const std::function<bool(const std::string&)>& is_known)
      : root_(root), directory_(directory), max_depth_(max_depth), is_known_(is_known) {}

  // Lists the folder of that relative path, which is `depth` names deep ("" is 0).
  Status List(const std::string& path, std::size_t depth) {
    const std::string full = path.empty() ? directory_ : directory_ + "/" + path;
    FileDescriptor fd(::openat(root_, path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return CannotList(errno, full);
    const std::unique_ptr<DIR, CloseDirectory> stream(::fdopendir(fd.get()));
    if (stream == nullptr) return CannotList(errno, full);
    static_cast<void>(fd.release());  // closedir's now
    for (;;) {
      errno = 0;
      const dirent* item = ::readdir(stream.get());
      if (item == nullptr) break;
      const std::string name = item->d_name;
      if (name == "." || name == "..") continue;
      const std::string below = path.empty() ? name : path + "/" + name;
      if (name.starts_with('.') && !is_known_(below)) continue;
      SHARDFS_RETURN_IF_ERROR(Add(below, depth + 1));
    }
    return errno == 0 ? Status::Ok() : CannotList(errno, full);
  }

  std::vector<FoundEntry> Take() && {
    std::sort(entries_.begin(), entries_.end(),
              [](const FoundEntry& a, const FoundEntry& b) { return a.path < b.path; });
    return std::move(entries_);
  }

 private:
  Status Add(const std::string& path, std::size_t depth) {
    struct stat info {};
    FoundEntry entry;
    if (::fstatat(root_, path.c_str(), &info, 0) == 0) {
      if (S_ISREG(info.st_mode)) {
        entry.type = FoundEntry::Type::kFile;
        entry.size = static_cast<std::uint64_t>(info.st_size);
      } else if (S_ISDIR(info.st_mode)) {
        entry.type = FoundEntry::Type::kDirectory;
      }
    } else if (errno != ENOENT && errno != ELOOP) {
      return CannotList(errno, directory_ + "/" + path);
    }
    entry.path = path;
    const bool descend = entry.type == FoundEntry::Type::kDirectory && depth < max_depth_;
    entries_.push_back(std::move(entry));
    return descend ? List(path, depth) : Status::Ok();
  }

  const int root_;
  const std::string& directory_;
  const std::size_t max_depth_;
  const std::function<bool(const std::string&)>& is_known_;
  std::vector<FoundEntry> entries_;
};

}  // namespace

Result<std::vector<FoundEntry>> FindEntries(int directory_fd, const std::string& directory, std::size_t max_depth,
                                            const std::function<bool(const std::string&)>& is_known) {
  Walk walk(directory_fd, directory, max_depth, is_known);
  SHARDFS_RETURN_IF_ERROR(walk.List("", 0));
  return std::move(walk).Take();
}

}  // namespace shardfs
