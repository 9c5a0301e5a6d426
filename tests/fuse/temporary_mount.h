// Directories to mount on, and views mounted for a test. Whatever way a test ends, nothing stays behind.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "fuse/session.h"

namespace shardfs {

// A directory of its own below the system's temporary directory. Its destructor detaches what is mounted right below
// it and then removes it.
class MountableDirectory {
 public:
  MountableDirectory();
  ~MountableDirectory();
  MountableDirectory(const MountableDirectory&) = delete;
  MountableDirectory& operator=(const MountableDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string MakeDirectory(const std::string& name) const;  // its path

 private:
  std::filesystem::path path_;
};

// A tree mounted by this process and served by threads of it.
class MountedTree {
 public:
  explicit MountedTree(std::shared_ptr<const VirtualTree> tree, FuseOptions options = {});
  ~MountedTree();
  MountedTree(const MountedTree&) = delete;
  MountedTree& operator=(const MountedTree&) = delete;

  // OK once it is mounted; its members below may be used only then.
  const Status& status() const { return status_; }
  const std::string& path() const { return path_; }
  std::string PathOf(const std::string& name) const { return path_ + "/" + name; }
  FuseSession& session() { return *session_; }

  // Waits for Run to return and says what it returned.
  Status Join();

 private:
  Status Start(std::shared_ptr<const VirtualTree> tree, FuseOptions options);

  MountableDirectory directory_;
  std::string path_;
  Status status_;
  Status run_status_;
  std::unique_ptr<FuseSession> session_;
  std::thread server_;
};

}  // namespace shardfs
