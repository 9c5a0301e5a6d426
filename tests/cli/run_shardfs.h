// Runs the program as a user does: other processes, exit codes, two streams.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace shardfs {

struct ProgramResult {
  int exit_code = -1;  // -1: ended by a signal
  std::string out;
  std::string err;
};

// One process of shardfs; its output is kept until Wait().
class ShardfsProcess {
 public:
  // Standard output goes to `stdout_path` where that is given.
  explicit ShardfsProcess(std::vector<std::string> arguments, const std::string& stdout_path = "") {
    std::string name = (std::filesystem::temp_directory_path() / "shardfs-run-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) directory_ = name;
    arguments.insert(arguments.begin(), SHARDFS_EXECUTABLE);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const std::string out = stdout_path.empty() ? std::string(directory_ / "out") : stdout_path;
    const std::string err = directory_ / "err";
    pid_ = ::fork();
    if (pid_ != 0) return;
    // What the tests' surroundings set must not decide the result.
    for (const char* variable : {"DEEPSEEK_MTP", "RANK_TABLE_FILE", "DP_PARTITION_UP_ENABLE"}) ::unsetenv(variable);
    if (Redirect(STDOUT_FILENO, out) && Redirect(STDERR_FILENO, err)) ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ShardfsProcess(const ShardfsProcess&) = delete;
  ShardfsProcess& operator=(const ShardfsProcess&) = delete;
  ~ShardfsProcess() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }

  pid_t pid() const { return pid_; }
  void Signal(int number) const { ::kill(pid_, number); }

  bool Running() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
  }

  ProgramResult Wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Read("out"), Read("err")};
  }

 private:
  static bool Redirect(int to, const std::string& path) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return file >= 0 && ::dup2(file, to) >= 0;
  }

  std::string Read(const char* name) const {
    std::ifstream file(directory_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  std::filesystem::path directory_;
  pid_t pid_ = -1;
};

// What a run says on stderr, without the lines of progress that one of more than five seconds prints there: how long a
// run takes is the machine's matter.
inline std::string WithoutProgress(const std::string& err) {
  return std::regex_replace(err, std::regex("shardfs: +[0-9]+ %, [^\n]*\n"), "");
}

inline ProgramResult RunShardfs(std::vector<std::string> arguments) {
  return ShardfsProcess(std::move(arguments)).Wait();
}

// The golden checkpoint that most tests use, with its parallel sizes: four ranks.
inline std::string GoldenCase() { return SHARDFS_TESTS_DIR "/golden/mindie/bf16_dp2tp2_mtp2ep2"; }
inline std::vector<std::string> GoldenArguments(const std::string& command, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {
      command, GoldenCase() + "/source", "--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2", "--mtp"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace shardfs
