#include "materialize/reopen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace shardfs {
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
  // A run that was killed behind its last file left its journal, which says no more than the manifest.
  if (::unlinkat(root, kJournalName, 0) != 0 && errno != ENOENT) {
    return Status::FromErrno(errno, fmt::format("cannot remove '{}/{}'", directory, kJournalName));
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
