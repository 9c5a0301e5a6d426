#include "materialize/leftovers.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <system_error>

#include "materialize/temporary_path.h"

namespace shardfs {

Status NotMadeByTheRun(const std::string& destination, const std::string& entry) {
  return Status::InvalidArgument(
      fmt::format("the destination '{}' has '{}', which the run that wrote the rest did not make; remove it or choose "
                  "another destination",
                  destination, entry));
}

Status CheckNothingElse(const std::string& destination, const JournalContents& left) {
  std::set<std::string> files(std::begin(kOwnFiles), std::end(kOwnFiles));
  files.insert({kJournalName, kJournalDraftName});
  for (const std::string& path : left.files) files.insert({path, TemporaryPath(path)});

  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(
      destination, std::filesystem::directory_options::skip_permission_denied, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    const std::string path = entry->path().string().substr(destination.size() + (destination == "/" ? 0 : 1));
    std::error_code unknown;
    const bool is_directory = entry->symlink_status(unknown).type() == std::filesystem::file_type::directory;
    if (!(is_directory ? left.directories : files).contains(path)) return NotMadeByTheRun(destination, path);
  }
  return Status::Ok();
}

}  // namespace shardfs
