#include "faults/fault_mount.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "fuse/fuse_available.h"
#include "base/mount_table.h"
#include "shardfs/base/file_descriptor.h"
#include "layout/huggingface/huggingface_reader.h"
#include "layout/mindie/mindie_layout.h"
#include "layout/mindie/reader/mindie_reader.h"
#include "layout/mindie/reader/sharded_sizes.h"

namespace shardfs {

namespace fs = std::filesystem;

Child::Child(const std::function<int()>& body) : pid_(::fork()) {
  if (pid_ == 0) ::_exit(body());
}

Child::~Child() {
  if (pid_ <= 0 || status_ != -1) return;
  Signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Child::Signal(int number) const { ::kill(pid_, number); }

void Child::AwaitStop() const {
  int status = 0;
  ASSERT_EQ(::waitpid(pid_, &status, WUNTRACED), pid_);
  ASSERT_TRUE(WIFSTOPPED(status));
}

bool Child::EndsWithin(std::chrono::milliseconds time) {
  return WaitUntil([this] { return status_ != -1 || ::waitpid(pid_, &status_, WNOHANG) == pid_; }, time);
}

bool IsMounted(const std::string& path) {
  const auto entry = FindMount(path);
  return entry.ok() && entry->has_value();
}

void StopAndWait(pid_t pid) {
  ::kill(pid, SIGSTOP);
  const auto stands_still = [pid] {
    const fs::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task");
    return std::all_of(fs::begin(tasks), fs::end(tasks), [](const fs::directory_entry& task) {
      return ReadTextOf(task.path() / "status").find("State:\tT") != std::string::npos;
    });
  };
  ASSERT_TRUE(WaitUntil(stands_still));
}

std::size_t Occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

bool GaugesReturnToZero(const std::string& point) {
  return WaitUntil([&point] {  // the kernel tells of a closed file when it likes
    const std::string status = ReadTextOf(point + "/.shardfs/status.json");
    return status.find("\"open_files\": 0,") != std::string::npos &&
           status.find("\"in_progress\": 0,") != std::string::npos;
  });
}

ProgramResult RunScript(const std::string& script, const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  std::vector<std::string> words = {"bash", "-c", script, "script"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  Child child([&] {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    return 127;
  });
  ::close(ends[1]);
  ProgramResult result;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    result.out.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  if (child.EndsWithin(kHang) && WIFEXITED(child.Status())) {
    result.exit_code = WEXITSTATUS(child.Status());
  }
  return result;
}

std::string WhereUsersMayMount(const std::string& user, const std::string& then) {
  const std::string entry = "somebody:x:" + user + ":" + user + "::/:/bin/sh";
  return "exec unshare --mount --propagation private bash -c '"
         "mount -t tmpfs none /mnt && mknod -m 0666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse || exit 99\n"
         "(cat /etc/passwd; echo " +
         entry + ") > /mnt/passwd && mount --bind /mnt/passwd /etc/passwd || exit 99\n" + then + "' script \"$@\"";
}

ReadOutcome ReadPastTheCache(const fs::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (!file.valid()) return {"", errno};
  ReadOutcome outcome;
  std::string buffer(1 << 20, '\0');
  for (;;) {
    const ssize_t count = ::pread(file.get(), buffer.data(), buffer.size(), static_cast<off_t>(outcome.bytes.size()));
    if (count < 0) return {"", errno};
    if (count == 0) return outcome;
    outcome.bytes.append(buffer, 0, static_cast<std::size_t>(count));
  }
}

namespace {

std::shared_ptr<const VirtualTree> ViewOf(const std::string& source) {
  const bool is_sharded = fs::exists(fs::path(source) / kShardedMetadata);
  const auto checkpoint = is_sharded ? MindieReader().Open(source, OptionValues())
                                     : HuggingfaceReader().Open(source, OptionValues());
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  MindieRequest options;
  options.parallel.dp = options.parallel.tp = options.parallel.moe_tp = options.parallel.moe_ep = 2;
  options.mtp = true;
  const auto view = BuildMindieView(*checkpoint, options);
  EXPECT_TRUE(view.ok()) << view.status();
  return view->tree;
}

}  // namespace

void MountFaults::SetUp() {
  SHARDFS_REQUIRE_FUSE();
  fs::copy(GoldenCase() + "/source", source_);
}

std::vector<std::string> MountFaults::MountArguments(std::vector<std::string> more) const {
  std::vector<std::string> arguments = {"mount",    source_, point_,     "--dp", "2",     "--tp",       "2",
                                        "--moe-tp", "2",     "--moe-ep", "2",    "--mtp", "--log-file", log_};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

void MountFaults::Mount(const std::vector<std::string>& more) const {
  const ProgramResult result = RunShardfs(MountArguments(more));
  ASSERT_EQ(result.exit_code, 0) << result.err;
}

void MountFaults::Unmount() const {
  const ProgramResult result = RunShardfs({"umount", point_});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(WaitUntil([this] { return Daemons().empty(); })) << "the daemon of " << point_ << " lives on";
}

std::map<std::string, std::string> MountFaults::ExpectedFiles() const {
  const auto tree = ViewOf(source_);
  std::map<std::string, std::string> files;
  for (NodeId id = 0; id < tree->size(); ++id) {
    if (tree->node(id).is_directory()) continue;
    const VirtualFile& file = *tree->node(id).file;
    std::string bytes(file.size(), '\0');
    EXPECT_TRUE(file.ReadAt(0, std::as_writable_bytes(std::span(bytes))).ok());
    files[tree->PathOf(id)] = std::move(bytes);
  }
  return files;
}

std::set<std::string> MountFaults::FilesFedBy(const std::string& source_file) const {
  const auto tree = ViewOf(source_);
  std::set<std::string> files;
  for (NodeId id = 0; id < tree->size(); ++id) {
    if (tree->node(id).is_directory()) continue;
    const VirtualFile& file = *tree->node(id).file;
    file.VisitSources(0, file.size(), [&](const SourceSpan& span) {
      if (span.source->name() == source_file) files.insert(tree->PathOf(id));
    });
  }
  return files;
}

}  // namespace shardfs
