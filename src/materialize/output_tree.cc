#include "materialize/output_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "materialize/destination_check.h"
#include "materialize/leftovers.h"
#include "materialize/reopen.h"
#include "materialize/settled_tree.h"
#include "materialize/small_file.h"
#include "materialize/temporary_path.h"
#include "shardfs/base/digest_time.h"

namespace shardfs {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// While it is being filled, a directory is the caller's alone to use, whatever its final mode.
constexpr mode_t kWorkingMode = 0700;

bool LivesInMemory(int fd) {
  struct statfs filesystem {};
  return ::fstatfs(fd, &filesystem) == 0 && filesystem.f_type == TMPFS_MAGIC;
}

// Gives the file its size, with room reserved where the filesystem can. Not on tmpfs: there, pages that are reserved
// first and written later are gone through twice, which costs 7 % of the whole run, and the preflight has looked at the
// room anyway.
int Reserve(int fd, off_t size) {
  if (size == 0) return 0;
  if (LivesInMemory(fd)) return ::ftruncate(fd, size);
  int result;
  do {
    result = ::fallocate(fd, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) result = ::ftruncate(fd, size);
  return result;
}

// Removes a name; one that is not there is removed.
bool Unlink(int directory, const std::string& name, int flags) {
  return ::unlinkat(directory, name.c_str(), flags) == 0 || errno == ENOENT;
}

Status Failed(const char* what, const std::string& path) {
  const int error = errno;  // before anything that could change it
  return Status::FromErrno(error, fmt::format("cannot {} '{}'", what, path));
}

Status AnotherRun(const std::string& path) {
  return Status::InvalidArgument(fmt::format("another run has made or replaced '{}' meanwhile; run again", path));
}

}  // namespace

Status OutputTree::SetOwner(int fd, const std::string& path) const {
  if (!options_.uid && !options_.gid) return Status::Ok();
  const uid_t uid = options_.uid.value_or(static_cast<uid_t>(-1));
  const gid_t gid = options_.gid.value_or(static_cast<gid_t>(-1));
  return ::fchown(fd, uid, gid) == 0 ? Status::Ok() : Failed("set the owner of", path);
}

Status OutputTree::OpenRoot() {
  const std::string& path = plan_.destination();
  const auto slash = path.find_last_of('/');
  const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
  parent_ = FileDescriptor(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent_.valid()) return Failed("open", parent);

  const std::string name = path.size() == 1 ? "." : path.substr(slash + 1);
  if (lock_ == nullptr && !made_root_) {
    if (::mkdirat(parent_.get(), name.c_str(), kWorkingMode) != 0) {
      return errno == EEXIST ? AnotherRun(path) : Failed("make directory", path);
    }
    made_root_ = true;
  }
  root_ = FileDescriptor(::openat(parent_.get(), name.c_str(), kOpenDirectory));
  if (!root_.valid() || ::fstat(root_.get(), &original_root_) != 0) return Failed("open", path);
  if (lock_ == nullptr) return LockNew();
  return lock_->Is(original_root_) ? Status::Ok() : AnotherRun(path);
}

Status OutputTree::LockNew() {
  const std::string& path = plan_.destination();
  auto lock = DestinationLock::TakeNew(root_.get(), path);
  // Before it was locked another run may have found it, and filled it, and come to its end.
  const bool is_ours = lock.ok() && (*lock)->IsAt(path) && !AnyEntry(path);
  if (!is_ours) made_root_ = false;
  if (!lock.ok()) return lock.status();
  if (!is_ours) return AnotherRun(path);
  lock_ = *std::move(lock);
  return Status::Ok();
}

Status OutputTree::Open() {
  SHARDFS_RETURN_IF_ERROR(OpenRoot());
  if (plan_.unfinished() != nullptr) {
    const auto take = plan_.reopens() ? Reopen : Journal::Continue;
    SHARDFS_ASSIGN_OR_RETURN(journal_, take(root_.get(), plan_.destination(), *plan_.unfinished()));
    if (plan_.restart()) SHARDFS_RETURN_IF_ERROR(Discard());
  }
  if (!journal_.is_open()) {
    SHARDFS_ASSIGN_OR_RETURN(journal_, Journal::Begin(root_.get(), plan_.destination(), plan_.identity()));
  }
  owned_ = true;
  changed_root_ = !made_root_;
  SHARDFS_RETURN_IF_ERROR(SetOwner(root_.get(), plan_.destination()));
  if (::fchmod(root_.get(), options_.directory_mode | kWorkingMode) != 0) {
    return Failed("set the mode of", plan_.destination());
  }
  return Status::Ok();
}

Status OutputTree::OpenComplete() {
  SHARDFS_RETURN_IF_ERROR(OpenRoot());
  struct stat info {};
  const bool left = ::fstatat(root_.get(), kJournalName, &info, AT_SYMLINK_NOFOLLOW) == 0;
  if (left && !Unlink(root_.get(), kJournalName, 0)) return Failed("remove", FullPath(kJournalName));
  return SettleComplete(root_.get(), plan_, options_);
}

Status OutputTree::Discard() {
  const JournalContents& left = *plan_.unfinished();
  // A directory may have its final mode already.
  for (const std::string& path : left.directories) ::fchmodat(root_.get(), path.c_str(), kWorkingMode, 0);
  for (const std::string& path : left.files) {
    for (const std::string& name : {TemporaryPath(path), path}) {
      if (!Unlink(root_.get(), name, 0)) return Failed("remove", FullPath(name));
    }
  }
  for (auto path = left.directories.rbegin(); path != left.directories.rend(); ++path) {
    if (!Unlink(root_.get(), *path, AT_REMOVEDIR)) return Failed("remove", FullPath(*path));
  }
  for (const char* name : kOwnFiles) {
    if (!Unlink(root_.get(), name, 0)) return Failed("remove", FullPath(name));
  }
  if (const auto entry = AnyEntry(plan_.destination(), kJournalName)) {
    return NotMadeByTheRun(plan_.destination(), *entry);
  }
  if (!Unlink(root_.get(), kJournalName, 0)) return Failed("remove", FullPath(kJournalName));
  journal_ = Journal();
  return Status::Ok();
}

Status OutputTree::MakeDirectory(const std::string& path) {
  const JournalContents* const left = plan_.restart() ? nullptr : plan_.unfinished();
  if (left == nullptr || !left->directories.contains(path)) SHARDFS_RETURN_IF_ERROR(journal_.DirectoryMade(path));
  if (::mkdirat(root_.get(), path.c_str(), kWorkingMode) != 0 && (left == nullptr || errno != EEXIST)) {
    return Failed("make directory", FullPath(path));
  }
  ++made_directories_;
  const FileDescriptor directory(::openat(root_.get(), path.c_str(), kOpenDirectory));
  if (!directory.valid()) return Failed("open", FullPath(path));
  SHARDFS_RETURN_IF_ERROR(SetOwner(directory.get(), FullPath(path)));
  return ::fchmod(directory.get(), kWorkingMode) == 0 ? Status::Ok() : Failed("set the mode of", FullPath(path));
}

Status OutputTree::Prepare() {
  for (const std::string& path : plan_.directories()) SHARDFS_RETURN_IF_ERROR(MakeDirectory(path));
  if (plan_.unfinished() == nullptr || plan_.restart()) return Status::Ok();
  for (std::size_t index = 0; index < plan_.files().size(); ++index) {
    const std::string& path = plan_.files()[index].path;
    if (!Unlink(root_.get(), TemporaryPath(path), 0)) return Failed("remove", FullPath(TemporaryPath(path)));
    if (!digests_[index] && !Unlink(root_.get(), path, 0)) return Failed("remove", FullPath(path));
  }
  return Status::Ok();
}

Status OutputTree::MakeFile(std::size_t index, int fd) const {
  const PlannedFile& planned = plan_.files()[index];
  SHARDFS_RETURN_IF_ERROR(SetOwner(fd, FullPath(TemporaryPath(planned.path))));
  return Reserve(fd, static_cast<off_t>(planned.file->size())) == 0
             ? Status::Ok()
             : Failed("reserve room for", FullPath(planned.path));
}

Result<int> OutputTree::OpenFile(std::size_t index) {
  const std::string& path = plan_.files()[index].path;
  if (temporary_[index] != 0) {
    const std::lock_guard lock(mutex_);
    std::erase(parked_, index);
    if (descriptors_[index].valid()) return descriptors_[index].get();
  }
  SHARDFS_RETURN_IF_ERROR(CloseParked(kMaxOpen - 1));
  const std::string temporary = TemporaryPath(path);
  const int create = temporary_[index] == 0 ? O_CREAT | O_EXCL : 0;
  if (create != 0) SHARDFS_RETURN_IF_ERROR(journal_.FileBegun(path));
  const auto open = [&] {
    return FileDescriptor(::openat(root_.get(), temporary.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC | create, 0600));
  };
  FileDescriptor file = open();
  if (!file.valid() && (errno == EMFILE || errno == ENFILE)) {
    SHARDFS_RETURN_IF_ERROR(CloseParked(0));
    file = open();
  }
  if (!file.valid()) return Failed(create != 0 ? "create" : "open", FullPath(temporary));
  if (create != 0) {
    temporary_[index] = 1;
    SHARDFS_RETURN_IF_ERROR(MakeFile(index, file.get()));
  }
  descriptors_[index] = std::move(file);
  return descriptors_[index].get();
}

void OutputTree::ParkFile(std::size_t index) {
  const std::lock_guard lock(mutex_);
  parked_.push_back(index);
}

Status OutputTree::CloseParked(std::size_t keep) {
  const std::lock_guard lock(mutex_);
  for (; parked_.size() > keep; parked_.pop_front()) {
    // Network filesystems report a failed write at close.
    if (::close(descriptors_[parked_.front()].release()) != 0) {
      return Failed("write", FullPath(plan_.files()[parked_.front()].path));
    }
  }
  return Status::Ok();
}

Status OutputTree::FinishFile(std::size_t index, const FileDigest& digest) {
  const PlannedFile& planned = plan_.files()[index];
  const std::string& path = planned.path;
  if (::fchmod(descriptors_[index].get(), options_.file_mode) != 0) return Failed("set the mode of", FullPath(path));
  if (options_.time_ns && !SetTime(descriptors_[index].get(), nullptr, *options_.time_ns)) {
    return Failed("set the time of", FullPath(path));
  }
  // Network filesystems report a failed write at close.
  if (::close(descriptors_[index].release()) != 0) return Failed("write", FullPath(path));
  if (RenameToNew(root_.get(), TemporaryPath(path), path) != 0) return Failed("name", FullPath(path));
  temporary_[index] = 0;
  if (Status status = journal_.FileDone({path, planned.file->size(), digest}); !status.ok()) {
    // Nobody would believe it: it is not among what is kept then.
    ::unlinkat(root_.get(), path.c_str(), 0);
    return status;
  }
  digests_[index] = digest;
  return Status::Ok();
}

Status OutputTree::WriteManifest() {
  Manifest manifest;
  manifest.run = plan_.identity();
  manifest.directories.assign(plan_.directories().begin(), plan_.directories().end());
  std::sort(manifest.directories.begin(), manifest.directories.end());
  for (std::size_t i = 0; i < plan_.files().size(); ++i) {
    manifest.files.push_back({plan_.files()[i].path, plan_.files()[i].file->size(), *digests_[i]});
  }
  std::sort(manifest.files.begin(), manifest.files.end(),
            [](const ManifestFile& a, const ManifestFile& b) { return a.path < b.path; });
  const std::string text = manifest.Serialize();
  const FileDigest digest = FileDigest::OfBytes(std::as_bytes(std::span(text)));
  SHARDFS_RETURN_IF_ERROR(WriteOwnFile(kManifestName, text, digest));
  return WriteOwnFile(kCompleteName, digest.ToHex() + "\n", digest);
}

Status OutputTree::WriteOwnFile(const char* name, std::string_view content, const FileDigest& manifest) {
  SHARDFS_RETURN_IF_ERROR(WriteSmallFile(root_.get(), name, FullPath(name), content, options_.file_mode));
  const uid_t uid = options_.uid.value_or(static_cast<uid_t>(-1));
  const gid_t gid = options_.gid.value_or(static_cast<gid_t>(-1));
  if ((options_.uid || options_.gid) && ::fchownat(root_.get(), name, uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed("set the owner of", FullPath(name));
  }
  if (options_.time_ns && !SetTime(root_.get(), name, DigestTime(*options_.time_ns, manifest))) {
    return Failed("set the time of", FullPath(name));
  }
  return Status::Ok();
}

Status OutputTree::Finish() {
  SHARDFS_RETURN_IF_ERROR(SettleTree(root_.get(), plan_, options_));
  // The marker must not reach the disk before what it speaks of.
  if (!LivesInMemory(root_.get()) && ::syncfs(root_.get()) != 0) return Failed("write", plan_.destination());
  SHARDFS_RETURN_IF_ERROR(WriteManifest());
  if (!Unlink(root_.get(), kJournalName, 0)) return Failed("remove", FullPath(kJournalName));
  if (::fchmod(root_.get(), options_.directory_mode) != 0) return Failed("set the mode of", plan_.destination());
  // Last: each name that comes or goes changes it.
  if (options_.time_ns && !SetTime(root_.get(), nullptr, *options_.time_ns)) {
    return Failed("set the time of", plan_.destination());
  }
  return Status::Ok();
}

void OutputTree::CloseAll() {
  parked_.clear();
  for (FileDescriptor& descriptor : descriptors_) descriptor = FileDescriptor();
}

Status OutputTree::RemoveFile(std::size_t index) {
  const std::string& path = plan_.files()[index].path;
  digests_[index].reset();
  return Unlink(root_.get(), path, 0) ? Status::Ok() : Failed("remove", FullPath(path));
}

Status OutputTree::Suspend() {
  CloseAll();
  Status first;
  for (std::size_t index = 0; index < temporary_.size(); ++index) {
    if (std::exchange(temporary_[index], 0) == 0) continue;
    const std::string name = TemporaryPath(plan_.files()[index].path);
    if (!Unlink(root_.get(), name, 0) && first.ok()) first = Failed("remove", FullPath(name));
  }
  return first;
}

Status OutputTree::Rollback() {
  if (!owned_) {
    // Another run's, or nothing yet but the directory.
    if (std::exchange(made_root_, false)) ::rmdir(plan_.destination().c_str());
    return Status::Ok();
  }
  if (journal_.IsAnothers(root_.get())) return AnotherRun(plan_.destination());
  Status first = Suspend();
  const auto remove = [this, &first](const std::string& name, int flags) {
    if (!Unlink(root_.get(), name, flags) && first.ok()) first = Failed("remove", FullPath(name));
  };
  for (std::size_t index = 0; index < digests_.size(); ++index) {
    if (digests_[index]) remove(plan_.files()[index].path, 0);
    digests_[index].reset();
  }
  for (; made_directories_ > 0; --made_directories_) {
    remove(plan_.directories()[made_directories_ - 1], AT_REMOVEDIR);
  }
  for (const char* name : kOwnFiles) remove(name, 0);
  if (first.ok()) remove(kJournalName, 0);  // as long as something is left, a later run can be told to remove it
  const std::string& path = plan_.destination();
  const auto note = [&first](int result, const char* what, const std::string& where) {
    if (result != 0 && first.ok()) first = Failed(what, where);
  };
  if (std::exchange(made_root_, false)) {
    const std::string name = path.substr(path.find_last_of('/') + 1);
    note(::unlinkat(parent_.get(), name.c_str(), AT_REMOVEDIR), "remove", path);
  } else if (std::exchange(changed_root_, false)) {
    // Only what was changed is put back: setting even the same owner again takes a privilege.
    if (options_.uid || options_.gid) {
      note(::fchown(root_.get(), original_root_.st_uid, original_root_.st_gid), "put back the owner of", path);
    }
    note(::fchmod(root_.get(), original_root_.st_mode & 07777), "put back the mode of", path);
  }
  return first;
}

}  // namespace shardfs
