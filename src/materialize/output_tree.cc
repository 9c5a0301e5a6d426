#include "materialize/output_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace shardfs {
namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
// While it is being filled, a directory is the caller's alone to use, whatever its final mode.
constexpr mode_t kWorkingMode = 0700;

// "model-norm/.model.safetensors.shardfs-tmp" for "model-norm/model.safetensors".
std::string TemporaryPath(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + ".shardfs-tmp";
}

// Gives the file its size, with room reserved where the filesystem can. Not on tmpfs: there, pages that are reserved
// first and written later are gone through twice, which costs 7 % of the whole run, and the preflight has looked at the
// room anyway.
int Reserve(int fd, off_t size) {
  if (size == 0) return 0;
  struct statfs filesystem {};
  if (::fstatfs(fd, &filesystem) == 0 && filesystem.f_type == TMPFS_MAGIC) return ::ftruncate(fd, size);
  int result;
  do {
    result = ::fallocate(fd, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) result = ::ftruncate(fd, size);
  return result;
}

// rename(2) that does not replace a file, where the filesystem can promise that.
int RenameToNew(int directory, const std::string& from, const std::string& to) {
  const int result = ::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    return ::renameat(directory, from.c_str(), directory, to.c_str());
  }
  return result;
}

Status Failed(const char* what, const std::string& path) {
  const int error = errno;  // before anything that could change it
  return Status::FromErrno(error, fmt::format("cannot {} '{}'", what, path));
}

}  // namespace

Status OutputTree::SetOwner(int fd, const std::string& path) const {
  if (!options_.uid && !options_.gid) return Status::Ok();
  const uid_t uid = options_.uid.value_or(static_cast<uid_t>(-1));
  const gid_t gid = options_.gid.value_or(static_cast<gid_t>(-1));
  return ::fchown(fd, uid, gid) == 0 ? Status::Ok() : Failed("set the owner of", path);
}

Status OutputTree::OpenDestination() {
  const std::string& path = plan_.destination();
  const auto slash = path.find_last_of('/');
  const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
  parent_ = FileDescriptor(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent_.valid()) return Failed("open", parent);

  const std::string name = path.size() == 1 ? "." : path.substr(slash + 1);
  if (!plan_.destination_exists()) {
    if (::mkdirat(parent_.get(), name.c_str(), kWorkingMode) != 0) return Failed("make directory", path);
    made_root_ = true;
  }
  root_ = FileDescriptor(::openat(parent_.get(), name.c_str(), kOpenDirectory));
  if (!root_.valid() || ::fstat(root_.get(), &original_root_) != 0) return Failed("open", path);
  changed_root_ = !made_root_;
  SHARDFS_RETURN_IF_ERROR(SetOwner(root_.get(), path));
  if (::fchmod(root_.get(), options_.directory_mode | kWorkingMode) != 0) return Failed("set the mode of", path);
  return Status::Ok();
}

Status OutputTree::MakeDirectories() {
  SHARDFS_RETURN_IF_ERROR(OpenDestination());
  for (const std::string& path : plan_.directories()) {
    if (::mkdirat(root_.get(), path.c_str(), kWorkingMode) != 0) return Failed("make directory", FullPath(path));
    ++made_directories_;
    const FileDescriptor directory(::openat(root_.get(), path.c_str(), kOpenDirectory));
    if (!directory.valid()) return Failed("open", FullPath(path));
    SHARDFS_RETURN_IF_ERROR(SetOwner(directory.get(), FullPath(path)));
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
  if (files_[index] == FileState::kTemporary) {
    const std::lock_guard lock(mutex_);
    std::erase(parked_, index);
    if (descriptors_[index].valid()) return descriptors_[index].get();
  }
  SHARDFS_RETURN_IF_ERROR(CloseParked(kMaxOpen - 1));
  const std::string temporary = TemporaryPath(plan_.files()[index].path);
  const int create = files_[index] == FileState::kAbsent ? O_CREAT | O_EXCL : 0;
  const auto open = [&] {
    return FileDescriptor(::openat(root_.get(), temporary.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC | create, 0600));
  };
  FileDescriptor file = open();
  if (!file.valid() && (errno == EMFILE || errno == ENFILE)) {
    SHARDFS_RETURN_IF_ERROR(CloseParked(0));
    file = open();
  }
  if (!file.valid()) return Failed(create != 0 ? "create" : "open", FullPath(temporary));
  if (std::exchange(files_[index], FileState::kTemporary) == FileState::kAbsent) {
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

Status OutputTree::FinishFile(std::size_t index) {
  const std::string& path = plan_.files()[index].path;
  if (::fchmod(descriptors_[index].get(), options_.file_mode) != 0) return Failed("set the mode of", FullPath(path));
  // Network filesystems report a failed write at close.
  if (::close(descriptors_[index].release()) != 0) return Failed("write", FullPath(path));
  if (RenameToNew(root_.get(), TemporaryPath(path), path) != 0) return Failed("name", FullPath(path));
  files_[index] = FileState::kFinished;
  return Status::Ok();
}

Status OutputTree::Finish() {
  // The deepest first: a mode without the owner's search bit closes the way to what is below.
  for (auto path = plan_.directories().rbegin(); path != plan_.directories().rend(); ++path) {
    if (::fchmodat(root_.get(), path->c_str(), options_.directory_mode, 0) != 0) {
      return Failed("set the mode of", FullPath(*path));
    }
  }
  if (::fchmod(root_.get(), options_.directory_mode) != 0) return Failed("set the mode of", plan_.destination());
  return Status::Ok();
}

Status OutputTree::Rollback() {
  parked_.clear();
  for (FileDescriptor& descriptor : descriptors_) descriptor = FileDescriptor();
  Status first;
  const auto note = [&first](int result, const char* what, const std::string& path) {
    if (result != 0 && first.ok()) first = Failed(what, path);
  };
  for (std::size_t index = 0; index < files_.size(); ++index) {
    if (files_[index] == FileState::kAbsent) continue;
    const std::string& path = plan_.files()[index].path;
    const std::string name = files_[index] == FileState::kTemporary ? TemporaryPath(path) : path;
    note(::unlinkat(root_.get(), name.c_str(), 0), "remove", FullPath(name));
    files_[index] = FileState::kAbsent;
  }
  for (; made_directories_ > 0; --made_directories_) {
    const std::string& path = plan_.directories()[made_directories_ - 1];
    note(::unlinkat(root_.get(), path.c_str(), AT_REMOVEDIR), "remove", FullPath(path));
  }
  const std::string& path = plan_.destination();
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
