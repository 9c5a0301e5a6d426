#include "fuse/temporary_mount.h"

#include <sys/stat.h>

#include <cstdlib>
#include <future>

#include "base/mount_table.h"
#include "fuse/unmount.h"
#include "tools/wait_until.h"

namespace shardfs {

MountableDirectory::MountableDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "shardfs-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  path_ = std::filesystem::canonical(name);
}

MountableDirectory::~MountableDirectory() {
  const Result<std::vector<MountEntry>> mounts = ReadMountTable();
  if (mounts.ok()) {
    for (const MountEntry& mount : *mounts) {
      if (mount.mount_point.starts_with(path_.string() + "/")) (void)Unmount(mount.mount_point, UnmountMode::kLazy);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string MountableDirectory::MakeDirectory(const std::string& name) const {
  std::filesystem::create_directories(path_ / name);
  return (path_ / name).string();
}

MountedTree::MountedTree(std::shared_ptr<const VirtualTree> tree, FuseOptions options)
    : path_(directory_.MakeDirectory("mount")) {
  status_ = Start(std::move(tree), std::move(options));
}

MountedTree::~MountedTree() {
  if (session_ != nullptr) session_->Stop(kHang);
  (void)Join();
}

Status MountedTree::Start(std::shared_ptr<const VirtualTree> tree, FuseOptions options) {
  const auto ready = std::make_shared<std::promise<void>>();
  options.on_ready = [ready] { ready->set_value(); };
  SHARDFS_ASSIGN_OR_RETURN(session_, FuseSession::Create(std::move(tree), options));
  SHARDFS_RETURN_IF_ERROR(session_->Mount(path_));
  server_ = std::thread([this] { run_status_ = session_->Run(); });
  if (ready->get_future().wait_for(kHang) != std::future_status::ready) {
    return Status::IoError("the kernel has not opened the connection");
  }
  return Status::Ok();
}

Status MountedTree::Join() {
  if (server_.joinable()) server_.join();
  return run_status_;
}

}  // namespace shardfs
