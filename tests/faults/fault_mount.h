// What the fault tests share: a mount by the real program of a checkpoint that a test may harm, processes that read
// from it, and what every byte of it should be.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/run_shardfs.h"
#include "fuse/temporary_mount.h"
#include "tools/processes.h"
#include "tools/read_text.h"
#include "tools/wait_until.h"

namespace shardfs {

// The longest that anything may take to end once it should: what takes longer hangs.
inline constexpr std::chrono::seconds kPromptly = kHang;

// A process that runs `body` and exits with what it returns. Killed and waited for by the destructor.
class Child {
 public:
  explicit Child(const std::function<int()>& body);
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  ~Child();

  pid_t pid() const { return pid_; }
  void Signal(int number) const;

  // Waits until it has stopped itself, by raise(SIGSTOP).
  void AwaitStop() const;

  // Whether it ended in that time; then Status() is what waitpid says.
  bool EndsWithin(std::chrono::milliseconds time);
  int Status() const { return status_; }

 private:
  pid_t pid_;
  int status_ = -1;
};

bool IsMounted(const std::string& path);

// Stops a process and waits until each of its threads stands still, which takes its time after the signal.
void StopAndWait(pid_t pid);

// How often `part` stands in `text`.
std::size_t Occurrences(const std::string& text, const std::string& part);

// Whether the mount's own account says that no file is open and no read is in progress, or comes to say so.
bool GaugesReturnToZero(const std::string& point);

// A command of the shell, its arguments as $1 and so on; both streams come back in `out`.
ProgramResult RunScript(const std::string& script, const std::vector<std::string>& arguments);

// A script that runs `then` (which holds no single quote) where a user of that number can mount as on most systems:
// anybody may open /dev/fuse, and the user is in /etc/passwd, which fusermount3 asks for. In a mount namespace of its
// own, so that the machine stays as it is. Needs root.
std::string WhereUsersMayMount(const std::string& user, const std::string& then);

// A file's bytes, read past the page cache so that every read reaches the daemon; the error instead if there is one.
struct ReadOutcome {
  std::string bytes;
  int error = 0;
};
ReadOutcome ReadPastTheCache(const std::filesystem::path& path);

// A copy of the golden checkpoint, a directory to mount on, and a log. Nothing stays behind.
class MountFaults : public ::testing::Test {
 protected:
  void SetUp() override;

  // The command line of `shardfs mount SOURCE POINT`, with the sizes, `--log-file` and `more`.
  std::vector<std::string> MountArguments(std::vector<std::string> more = {}) const;
  void Mount(const std::vector<std::string>& more = {}) const;
  // Unmounts, and waits until the daemon is gone: umount(8) does not, and the next mount would be taken for it.
  void Unmount() const;
  std::string Log() const { return ReadTextOf(log_); }

  // The files of the view, by their paths, as the view in this process gives them. Before any harm is done.
  std::map<std::string, std::string> ExpectedFiles() const;
  // Those of them that bytes of the source file go into.
  std::set<std::string> FilesFedBy(const std::string& source_file) const;

  // Processes of the program on this mount.
  std::vector<pid_t> Daemons() const { return ProcessesNaming(point_); }

  MountableDirectory directory_;
  std::string source_ = directory_.MakeDirectory("source");
  std::string point_ = directory_.MakeDirectory("mount");
  std::string log_ = directory_.path() / "log";
};

}  // namespace shardfs
