// A file system that shows a directory as a far or failing server's would: tests/tools/slow_filesystem.cc, run.
#pragma once

#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "fuse/temporary_mount.h"
#include "tools/wait_until.h"

namespace shardfs {

// One slow_filesystem, from construction to destruction.
class SlowFilesystem {
 public:
  struct Counters {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    int most_at_once = 0;
  };

  explicit SlowFilesystem(const std::string& directory, std::chrono::milliseconds delay = std::chrono::milliseconds(5),
                          std::chrono::seconds keep_attributes = std::chrono::hours(1))
      : directory_(directory), point_(parent_.MakeDirectory("slow")) {
    const std::string milliseconds = std::to_string(delay.count());
    const std::string seconds = std::to_string(keep_attributes.count());
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(SHARDFS_SLOW_FILESYSTEM, "slow_filesystem", directory.c_str(), point_.c_str(), milliseconds.c_str(),
              seconds.c_str(), nullptr);
      ::_exit(127);
    }
    (void)WaitUntil([this] { return mounted(); });
  }
  ~SlowFilesystem() {
    Answer();
    ::umount2(point_.c_str(), MNT_DETACH);
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  SlowFilesystem(const SlowFilesystem&) = delete;
  SlowFilesystem& operator=(const SlowFilesystem&) = delete;

  bool mounted() const { return std::filesystem::exists(point_ + "/.counters"); }
  const std::string& path() const { return point_; }

  // Reads of these files (names with spaces between them; "*": of all) hang until Answer is called.
  void Hang(const std::string& names) const {
    const std::string made = directory_ + "/.hang.new";
    std::ofstream(made) << names;
    std::filesystem::rename(made, directory_ + "/.hang");
  }
  void Answer() const { std::filesystem::remove(directory_ + "/.hang"); }
  Counters counters() const {
    std::ifstream text(point_ + "/.counters");
    Counters counters;
    std::string name;
    text >> name >> counters.requests >> name >> counters.bytes >> name >> counters.most_at_once;
    return counters;
  }

 private:
  MountableDirectory parent_;
  std::string directory_;
  std::string point_;
  pid_t pid_ = -1;
};

}  // namespace shardfs
