#include "service/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/path_within.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

// Where a file opened at `path` would be made: the last component may be a link to what is not there yet.
fs::path Destination(fs::path path) {
  constexpr int kMostLinks = 40;  // as many as the kernel follows
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(fs::symlink_status(path, error)); ++i) {
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  return path;
}

bool IsOneOf(const std::string& path, const fs::path& directory) {
  struct stat attributes {};
  if (::stat(path.c_str(), &attributes) != 0) return false;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    struct stat other {};
    if (::stat(entry.path().c_str(), &other) != 0) continue;
    if (attributes.st_dev == other.st_dev && attributes.st_ino == other.st_ino) return true;
  }
  return false;
}

}  // namespace

Status CheckOutsideSource(std::string_view what, const std::string& path, const std::string& source) {
  std::error_code error;
  const fs::path directory = fs::canonical(source, error);
  if (error) return Status::Ok();  // opening the checkpoint will say what is wrong with it
  const fs::path parent = fs::weakly_canonical(Destination(fs::absolute(path, error)).parent_path(), error);
  if (IsWithin(parent, directory) || IsOneOf(path, directory)) {
    return Status::InvalidArgument(std::string(what) + " " + path + " belongs to the source " + directory.string() +
                                   ", which nothing may be written into; put it elsewhere");
  }
  return Status::Ok();
}

Result<FileDescriptor> HoldReader(std::string_view what, const std::string& path) {
  struct stat attributes {};
  if (::stat(path.c_str(), &attributes) != 0 || !S_ISFIFO(attributes.st_mode)) return FileDescriptor();
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.valid() || errno != ENXIO) return file;
  return Status::InvalidArgument(
      "cannot write " + std::string(what) + " " + path +
      ": it is a FIFO that no process reads; start its reader first, or give a regular file");
}

}  // namespace shardfs
