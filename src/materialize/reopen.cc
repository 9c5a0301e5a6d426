#include "materialize/reopen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

// Of runs that reopen the same destination, the one that holds its marker goes on. A filesystem without locks cannot
// tell; two runs at once are then the user's to avoid.
bool Claim(int root, const FileDescriptor& marker) {
  if (!marker.valid()) return false;
  if (::flock(marker.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  struct stat held {};
  struct stat named {};
  return ::fstat(marker.get(), &held) == 0 && ::fstatat(root, kCompleteName, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         held.st_ino == named.st_ino;
}

}  // namespace

JournalContents ContentsOf(Manifest manifest) {
  JournalContents contents;
  contents.run = std::move(manifest.run);
  contents.directories.insert(manifest.directories.begin(), manifest.directories.end());
  for (ManifestFile& file : manifest.files) {
    contents.files.insert(file.path);
    contents.done.emplace(file.path, std::move(file));
  }
  return contents;
}

Result<Journal> Reopen(int root, const std::string& directory, const JournalContents& contents) {
  const FileDescriptor marker(::openat(root, kCompleteName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!Claim(root, marker)) {
    return Status::InvalidArgument(fmt::format(
        "another run writes what is missing in '{}'; wait for it, or choose another destination", directory));
  }
  SHARDFS_ASSIGN_OR_RETURN(Journal journal, Journal::Begin(root, directory, contents.run));
  for (const std::string& path : contents.directories) SHARDFS_RETURN_IF_ERROR(journal.DirectoryMade(path));
  for (const std::string& path : contents.files) SHARDFS_RETURN_IF_ERROR(journal.FileBegun(path));
  for (const auto& [path, file] : contents.done) SHARDFS_RETURN_IF_ERROR(journal.FileDone(file));
  // Only now: killed before, the destination is still the complete one that has lost files.
  if (::unlinkat(root, kCompleteName, 0) != 0) {
    return Status::FromErrno(errno, fmt::format("cannot remove '{}/{}'", directory, kCompleteName));
  }
  return journal;
}

}  // namespace shardfs
