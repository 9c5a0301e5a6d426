#include "service/inherited_descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace shardfs {
namespace {

// Far apart, as scripts and launchers leave them.
constexpr std::array<int, 5> kInherited = {3, 4, 9, 63, 900};

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

// Which of kInherited are open after `body`, in a process that had them all; nothing when a standard stream is not.
std::vector<int> LeftAfter(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_RDWR);
    for (const int number : kInherited) ::dup2(null, number);
    body();
    int left = 0;
    for (std::size_t i = 0; i < kInherited.size(); ++i) left |= IsOpen(kInherited[i]) ? 1 << i : 0;
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) left |= IsOpen(number) ? 0 : 128;
    ::_exit(left);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status) & 128, 0) << "a standard stream was closed";
  std::vector<int> left;
  for (std::size_t i = 0; i < kInherited.size(); ++i) {
    if ((WEXITSTATUS(status) & (1 << i)) != 0) left.push_back(kInherited[i]);
  }
  return left;
}

// close_range fails with this number from here on, as under an old kernel or a container's filter.
void RefuseCloseRange(unsigned error_number) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error_number),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0 ||
      ::syscall(SYS_close_range, 5000u, ~0u, 0u) == 0 || errno != static_cast<int>(error_number)) {
    ::_exit(255);
  }
}

TEST(InheritedDescriptorsTest, ClosesAllButTheStandardStreams) {
  EXPECT_EQ(LeftAfter([] {}), std::vector<int>(kInherited.begin(), kInherited.end()));
  EXPECT_EQ(LeftAfter([] { CloseInheritedDescriptors(); }), std::vector<int>());
}

TEST(InheritedDescriptorsTest, ReadsTheListWhereCloseRangeIsRefused) {
  for (const unsigned error : {EPERM, ENOSYS}) {
    EXPECT_EQ(LeftAfter([error] {
                RefuseCloseRange(error);
                CloseInheritedDescriptors();
              }),
              std::vector<int>());
  }
}

TEST(InheritedDescriptorsTest, TriesEachNumberWhereThereIsNoList) {
  EXPECT_EQ(LeftAfter([] {
              RefuseCloseRange(ENOSYS);
              CloseInheritedDescriptors(std::nullopt, "/nonexistent");
            }),
            std::vector<int>());
}

TEST(InheritedDescriptorsTest, KeepsWhatAServiceManagerPassesToThisProcess) {
  const auto close_with = [](const std::string& count, const std::string& process) {
    ::setenv("LISTEN_FDS", count.c_str(), 1);
    ::setenv("LISTEN_PID", process.c_str(), 1);
    CloseInheritedDescriptors();
  };
  const auto own = [] { return std::to_string(::getpid()); };
  EXPECT_EQ(LeftAfter([&] { close_with("2", own()); }), (std::vector<int>{3, 4}));
  EXPECT_EQ(LeftAfter([&] { close_with("1", own()); }), (std::vector<int>{3}));
  EXPECT_EQ(LeftAfter([&] { close_with("2147483647", own()); }).size(), kInherited.size());
  // What is not for this process, or says nothing.
  EXPECT_EQ(LeftAfter([&] { close_with("2", std::to_string(::getppid())); }), std::vector<int>());
  EXPECT_EQ(LeftAfter([&] { close_with("two", own()); }), std::vector<int>());
  EXPECT_EQ(LeftAfter([&] { close_with("-1", own()); }), std::vector<int>());
}

}  // namespace
}  // namespace shardfs
