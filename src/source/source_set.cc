#include "shardfs/source/source_set.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/quote_name.h"

namespace shardfs {
namespace {

Result<std::string> Resolve(const std::string& path) {
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };
  const std::unique_ptr<char, Free> resolved(::realpath(path.c_str(), nullptr));
  if (resolved != nullptr) return std::string(resolved.get());
  if (errno == ENOENT && !path.empty()) {
    return Status::IoError(fmt::format(
        "source '{}' does not exist; is its file system mounted? If it is, give the directory of the checkpoint",
        path));
  }
  if (errno == ENOENT) return Status::InvalidArgument("the source is empty; give the directory of the checkpoint");
  if (errno == ENOTDIR) {
    return Status::InvalidArgument(fmt::format(
        "source '{}' lies below what is not a directory; give the directory that holds the checkpoint", path));
  }
  return Status::FromErrno(errno, fmt::format("cannot open source '{}'", path));
}

Result<FileDescriptor> OpenDirectory(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid()) return fd;
  return Status::FromErrno(errno, fmt::format("cannot open source '{}'", path));
}

}  // namespace

Result<std::shared_ptr<const SourceRoot>> SourceRoot::Open(const std::string& path, std::string label) {
  const std::shared_ptr<SourceRoot> root(new SourceRoot);
  SHARDFS_ASSIGN_OR_RETURN(root->path_, Resolve(path));
  root->label_ = std::move(label);
  struct stat attributes = {};
  if (::stat(root->path_.c_str(), &attributes) != 0) {
    return Status::FromErrno(errno, fmt::format("cannot open source '{}'", root->path_));
  }
  if (S_ISREG(attributes.st_mode)) {
    // A file keeps the name that was given: in a Hugging Face cache it is a link to a blob that is called by a digest.
    const std::size_t slash = path.rfind('/');
    root->file_ = slash == path.npos ? path : path.substr(slash + 1);
    SHARDFS_ASSIGN_OR_RETURN(const std::string parent, Resolve(slash == path.npos ? "." : path.substr(0, slash + 1)));
    root->path_ = fmt::format("{}{}{}", parent, parent.ends_with('/') ? "" : "/", root->file_);
    // A directory that may be entered but not listed is enough for a file of it.
    root->directory_ = FileDescriptor(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root->directory_.valid()) {
      return Status::FromErrno(errno, fmt::format("cannot open source '{}'", root->path_));
    }
  } else if (S_ISDIR(attributes.st_mode)) {
    SHARDFS_ASSIGN_OR_RETURN(root->directory_, OpenDirectory(root->path_));
  } else {
    return Status::InvalidArgument(fmt::format(
        "source '{}' is neither a directory nor a file; give the directory that holds the checkpoint", root->path_));
  }
  return std::shared_ptr<const SourceRoot>(root);
}

std::string SourceRoot::NameOf(std::string_view path) const {
  return label_.empty() ? std::string(path) : fmt::format("{}:{}", label_, path);
}

Result<std::unique_ptr<FileSource>> SourceRoot::OpenFile(const std::string& path) const {
  if (is_file() && path != file_) return Status::NotFound(fmt::format("{} is missing", QuoteName(NameOf(path))));
  return FileSource::Open(directory_.get(), path, NameOf(path));
}

Status SourceRoot::CheckPath() const {
  struct stat opened = {};
  struct stat named = {};
  if (is_file() || ::fstat(directory_.get(), &opened) != 0) return Status::Ok();
  const char* what = "replaced";
  if (::stat(path_.c_str(), &named) != 0) {
    if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) return Status::Ok();
    what = "moved away or deleted";
  } else if (named.st_dev == opened.st_dev && named.st_ino == opened.st_ino) {
    return Status::Ok();
  }
  return Status::SourceChanged(
      fmt::format("source directory {} has been {} since it was opened; its old files are shown until the unmount",
                  QuoteName(path_), what));
}

SourceSet::SourceSet(std::vector<std::shared_ptr<const SourceRoot>> roots,
                     std::vector<std::shared_ptr<const FileSource>> files)
    : roots_(std::move(roots)), files_(std::move(files)) {}

std::shared_ptr<const SourceSet> SourceSet::Join(const SourceSet& first, const SourceSet& second) {
  auto roots = first.roots_;
  auto files = first.files_;
  roots.insert(roots.end(), second.roots_.begin(), second.roots_.end());
  files.insert(files.end(), second.files_.begin(), second.files_.end());
  return std::make_shared<const SourceSet>(std::move(roots), std::move(files));
}

const SourceRoot* SourceSet::RootOf(std::string_view name, std::string_view* path) const {
  const SourceRoot* unlabelled = nullptr;
  for (const auto& root : roots_) {
    const std::string& label = root->label();
    if (label.empty()) {
      unlabelled = root.get();
    } else if (name.size() > label.size() && name.starts_with(label) && name[label.size()] == ':') {
      *path = name.substr(label.size() + 1);
      return root.get();
    }
  }
  *path = name;
  return unlabelled;
}

Result<std::unique_ptr<FileSource>> SourceSet::OpenFile(std::string_view name) const {
  std::string_view path;
  const SourceRoot* const root = RootOf(name, &path);
  if (root == nullptr) return Status::NotFound(fmt::format("{} is missing", QuoteName(name)));
  return root->OpenFile(std::string(path));
}

std::string SourceSet::PathOf(std::string_view name) const {
  std::string_view path;
  const SourceRoot* const root = RootOf(name, &path);
  if (root == nullptr) return std::string(name);
  if (root->is_file()) return root->path();
  return fmt::format("{}{}{}", root->path(), root->path().ends_with('/') ? "" : "/", path);
}

Status SourceSet::CheckRoots() const {
  for (const auto& root : roots_) SHARDFS_RETURN_IF_ERROR(root->CheckPath());
  return Status::Ok();
}

}  // namespace shardfs
