#include "materialize/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <span>
#include <utility>

#include "materialize/run_identity_json.h"
#include "materialize/small_file.h"
#include "base/quote_name.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxJournalBytes = std::uint64_t{256} << 20;
constexpr std::size_t kDigestDigits = 32;
constexpr std::int64_t kVersion = 1;

std::string Line(const std::string& json) {
  return FileDigest::OfBytes(std::as_bytes(std::span(json))).ToHex() + " " + json + "\n";
}

// The JSON of a line (without its end), or nothing when its digest does not fit.
std::optional<std::string_view> Checked(std::string_view line) {
  if (line.size() < kDigestDigits + 1 || line[kDigestDigits] != ' ') return std::nullopt;
  const std::string_view json = line.substr(kDigestDigits + 1);
  const auto digest = FileDigest::FromHex(line.substr(0, kDigestDigits));
  if (!digest || *digest != FileDigest::OfBytes(std::as_bytes(std::span(json)))) return std::nullopt;
  return json;
}

// The path under `key`, which must be the object's only one.
Result<std::string> OnlyPath(const JsonValue& json, std::string_view key, const std::string& what) {
  if (json.members().size() != 1) {
    return Status::Corruption(fmt::format("{}: it has other members than '{}'", what, key));
  }
  const JsonValue& value = *json.Find(key);
  if (!value.is_string()) return Status::Corruption(fmt::format("{}: '{}' is not a string", what, key));
  if (!IsSafeRelativePath(value.text())) {
    return Status::Corruption(fmt::format("{}: {} is no path below the directory", what, QuoteName(value.text())));
  }
  return value.text();
}

Status ApplyFirst(const JsonValue& json, const std::string& what, JournalContents& contents) {
  const JsonValue* const version = json.Find("shardfs_journal");
  if (version == nullptr || !version->AsInt64()) return Status::Corruption(what + ": it is no journal of shardfs");
  if (version->AsInt64() != kVersion) {
    return Status::NotSupported(
        fmt::format("{}: its version is {} and this program knows {}", what, QuoteName(version->text()), kVersion));
  }
  const JsonValue* const boot = json.Find("boot");
  if (boot == nullptr || !boot->is_string()) return Status::Corruption(what + ": 'boot' is not a string");
  contents.boot = boot->text();
  SHARDFS_ASSIGN_OR_RETURN(contents.run, RunFromJson(json.Find("run"), what));
  return Status::Ok();
}

Status Apply(const JsonValue& json, const std::string& what, JournalContents& contents) {
  if (json.Find("done") != nullptr) {
    SHARDFS_ASSIGN_OR_RETURN(ManifestFile file, FileFromJson(json, "done", what));
    const std::string path = file.path;
    if (!contents.files.contains(path)) {
      return Status::Corruption(fmt::format("{}: file {} is complete without having begun", what, QuoteName(path)));
    }
    contents.done.insert_or_assign(path, std::move(file));
    return Status::Ok();
  }
  if (json.Find("directory") != nullptr) {
    SHARDFS_ASSIGN_OR_RETURN(std::string path, OnlyPath(json, "directory", what));
    contents.directories.insert(std::move(path));
    return Status::Ok();
  }
  if (json.Find("file") != nullptr) {
    SHARDFS_ASSIGN_OR_RETURN(std::string path, OnlyPath(json, "file", what));
    contents.done.erase(path);
    contents.files.insert(std::move(path));
    return Status::Ok();
  }
  return Status::Corruption(what + ": it is neither a directory nor a file");
}

Status Lock(int fd, int operation, const std::string& path) {
  if (::flock(fd, operation | LOCK_NB) == 0) return Status::Ok();
  if (errno == EWOULDBLOCK) {
    return Status::InvalidArgument(
        fmt::format("another run is writing there (it holds '{}'); wait for it, or choose another destination", path));
  }
  // A filesystem without locks: two runs at once are then the user's to avoid.
  return errno == EOPNOTSUPP || errno == ENOSYS || errno == ENOLCK
             ? Status::Ok()
             : Status::FromErrno(errno, fmt::format("cannot lock '{}'", path));
}

}  // namespace

Result<JournalContents> ParseJournal(std::string_view text, std::string_view what) {
  JournalContents contents;
  std::size_t number = 0;
  std::size_t first_bad = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    if (end == text.npos) break;
    const auto json_text = Checked(text.substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (!json_text) {
      if (first_bad == 0) first_bad = number;
      continue;
    }
    const std::string where = fmt::format("{}, line {}", what, number);
    if (first_bad != 0) {
      return Status::Corruption(fmt::format("{}, line {}: it was changed since it was written", what, first_bad));
    }
    JsonLimits limits;
    limits.max_depth = 3;
    SHARDFS_ASSIGN_OR_RETURN(const JsonValue json, ParseJson(*json_text, where, limits));
    if (!json.is_object()) return Status::Corruption(where + ": it is no object");
    SHARDFS_RETURN_IF_ERROR(number == 1 ? ApplyFirst(json, where, contents) : Apply(json, where, contents));
    contents.valid_bytes = begin;
  }
  if (contents.valid_bytes == 0) return Status::Corruption(fmt::format("{} does not say what the run was", what));
  return contents;
}

Result<JournalContents> ReadJournal(int root, const std::string& directory) {
  const std::string path = directory + "/" + kJournalName;
  SHARDFS_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(root, kJournalName, path, kMaxJournalBytes));
  return ParseJournal(text, "'" + path + "'");
}

Status CheckJournalNotHeld(int root, const std::string& directory) {
  const FileDescriptor file(::openat(root, kJournalName, O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  // Who may not open it cannot go on with it either, and is told why where that is tried. The lock is a shared one, so
  // that two runs that look at once do not take each other for a run that writes.
  return file.valid() ? Lock(file.get(), LOCK_SH, directory + "/" + kJournalName) : Status::Ok();
}

std::string CurrentBoot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  file >> boot;
  return boot;
}

Result<Journal> Journal::Begin(int root, const std::string& directory, const RunIdentity& run) {
  const std::string path = directory + "/" + kJournalName;
  FileDescriptor file(::openat(root, kJournalDraftName, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) {
    return Status::FromErrno(errno, fmt::format("cannot create '{}/{}'", directory, kJournalDraftName));
  }
  SHARDFS_RETURN_IF_ERROR(Lock(file.get(), LOCK_EX, path));
  if (::ftruncate(file.get(), 0) != 0) return Status::FromErrno(errno, fmt::format("cannot write '{}'", path));
  Journal journal(std::move(file), path, 0);
  std::string text = DumpPythonJson(ToJson(run));
  std::erase(text, '\n');
  SHARDFS_RETURN_IF_ERROR(journal.Append(
      fmt::format(R"({{"shardfs_journal": {}, "boot": {}, "run": {}}})", kVersion, QuoteJson(CurrentBoot()), text)));
  if (RenameToNew(root, kJournalDraftName, kJournalName) != 0) {
    if (errno != EEXIST) return Status::FromErrno(errno, fmt::format("cannot name '{}'", path));
    return Status::InvalidArgument(
        fmt::format("another run has begun '{}' meanwhile; wait for it, or choose another destination", path));
  }
  return journal;
}

Result<Journal> Journal::Continue(int root, const std::string& directory, const JournalContents& contents) {
  const std::string path = directory + "/" + kJournalName;
  FileDescriptor file(::openat(root, kJournalName, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC));
  if (!file.valid()) return Status::FromErrno(errno, fmt::format("cannot open '{}'", path));
  SHARDFS_RETURN_IF_ERROR(Lock(file.get(), LOCK_EX, path));
  SHARDFS_ASSIGN_OR_RETURN(const JournalContents now, ReadJournal(root, directory));
  if (now.valid_bytes != contents.valid_bytes) {
    return Status::InvalidArgument(
        fmt::format("'{}' had {} bytes and has {}: another run was there meanwhile; run again", path,
                    contents.valid_bytes, now.valid_bytes));
  }
  if (::ftruncate(file.get(), static_cast<off_t>(contents.valid_bytes)) != 0) {
    return Status::FromErrno(errno, fmt::format("cannot write '{}'", path));
  }
  return Journal(std::move(file), path, contents.valid_bytes);
}

bool Journal::IsAnothers(int root) const {
  struct stat held {};
  struct stat named {};
  return file_.valid() && ::fstat(file_.get(), &held) == 0 &&
         ::fstatat(root, kJournalName, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         (held.st_dev != named.st_dev || held.st_ino != named.st_ino);
}

Status Journal::Append(const std::string& json) {
  const std::string line = Line(json);
  const std::lock_guard lock(*mutex_);
  Status status = WriteText(file_.get(), line, path_);
  if (status.ok()) {
    size_ += line.size();
  } else if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
    // Half a line (the filesystem is full) stays at the end, where it counts as torn: nothing may follow it.
    file_ = FileDescriptor();
  }
  return status;
}

Status Journal::DirectoryMade(const std::string& path) {
  return Append(fmt::format(R"({{"directory": {}}})", QuoteJson(path)));
}

Status Journal::FileBegun(const std::string& path) { return Append(fmt::format(R"({{"file": {}}})", QuoteJson(path))); }

Status Journal::FileDone(const ManifestFile& file) {
  return Append(fmt::format(R"({{"done": {}, "size": {}, "digest": "{}"}})", QuoteJson(file.path), file.size,
                            file.digest.ToHex()));
}

}  // namespace shardfs
