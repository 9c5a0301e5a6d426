#include "fuse/session.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <semaphore>
#include <string_view>
#include <system_error>
#include <thread>

#include "fuse/filesystem.h"
#include "fuse/fusermount.h"
#include "fuse/libfuse_log.h"
#include "base/mount_table.h"
#include "fuse/operations.h"
#include "fuse/read_request.h"
#include "fuse/serving_threads.h"
#include "fuse/status_report.h"
#include "fuse/unmount.h"
#include "shardfs/base/file_descriptor.h"
#include "view/tree_sources.h"

namespace shardfs {
namespace {

constexpr unsigned kReadAheadKib = 4096;

// In a mount option's value, a comma would end it and a backslash escapes.
std::string EscapeOption(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == ',' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string MountOptions(const FuseOptions& options) {
  std::string text = "ro,nosuid,nodev,noexec,noatime,default_permissions,subtype=shardfs,fsname=";
  text += EscapeOption(options.source_name.empty() ? "shardfs" : options.source_name);
  text += ",max_read=" + std::to_string(kMaxReadBytes);
  if (options.allow_other) text += ",allow_other";
  for (const std::string& option : options.kernel_options) text += "," + EscapeOption(option);
  return text;
}

std::unique_ptr<ReadScheduler> MakeReadScheduler(const Filesystem& filesystem) {
  using Read = ReadScheduler::Read;
  const auto perform = [](const Read& read) { ReadViewFile(read.request, read.inode, read.size, read.offset); };
  const auto refuse = [](const Read& read, int error) { fuse_reply_err(read.request, error); };
  return std::make_unique<ReadScheduler>(filesystem.tree, filesystem.watch->files(), filesystem.max_threads, perform,
                                         refuse);
}

bool ConnectionIsCut(int fuse_fd) {
  pollfd event{fuse_fd, 0, 0};
  return ::poll(&event, 1, 0) == 1 && (event.revents & POLLERR) != 0;
}

// Keeps kWakeSignal harmless while the loop runs: without a handler it would end the process.
class WakeSignalHandler {
 public:
  WakeSignalHandler() {
    struct sigaction action {};
    action.sa_handler = [](int) {};  // and no SA_RESTART, so that the wait ends
    ::sigaction(kWakeSignal, &action, &previous_);
  }
  ~WakeSignalHandler() { ::sigaction(kWakeSignal, &previous_, nullptr); }

 private:
  struct sigaction previous_ {};
};

}  // namespace

struct FuseSession::State {
  Filesystem filesystem;
  fuse_session* session = nullptr;
  std::string mount_point;  // empty until mounted
  MountEntry mounted;
  uid_t mounted_as = 0;
  std::string mount_options;
  int device = -1;        // FuseOptions::device
  bool by_fuse2 = false;  // mounted by FUSE 2's fusermount, which libfuse knows nothing of
  std::function<void()> on_ready;
  std::function<void()> on_stuck;

  std::counting_semaphore<2> ready{0};  // released when INIT has come, and when the loop ends

  std::mutex mutex;  // guards the next three
  std::condition_variable loop_left;
  bool in_loop = false;
  pthread_t loop_thread{};
};

Result<std::unique_ptr<FuseSession>> FuseSession::Create(std::shared_ptr<const VirtualTree> tree,
                                                         const FuseOptions& options) {
  auto state = std::make_unique<State>();
  state->filesystem.tree = std::move(tree);
  state->filesystem.attributes = options.attributes;
  state->filesystem.description = options.description;
  state->filesystem.source_path = options.source_path;
  state->filesystem.max_threads = std::max(options.max_threads, 1u);
  state->filesystem.on_init = [state = state.get()] { state->ready.release(); };
  state->filesystem.on_open = options.on_open;
  state->device = options.device;
  state->on_ready = options.on_ready;
  state->on_stuck = options.on_stuck;
  state->filesystem.watch = options.watch;
  if (options.watch == nullptr) {
    const auto& shown = state->filesystem.tree;
    state->filesystem.watch = std::make_shared<SourceWatch>(WatchedSources{SourcesOf(*shown), {}, shown, {}});
  }
  state->filesystem.reads = MakeReadScheduler(state->filesystem);

  state->mount_options = MountOptions(options);
  const char* arguments[] = {"shardfs", "-o", state->mount_options.c_str()};
  fuse_args args = FUSE_ARGS_INIT(3, const_cast<char**>(arguments));
  const LibfuseMessages messages;
  state->session = fuse_session_new(&args, &Operations(), sizeof(fuse_lowlevel_ops), &state->filesystem);
  fuse_opt_free_args(&args);
  if (state->session == nullptr) {
    return Status::IoError("libfuse would not start a session: " + messages.TextOr("it gave no reason"));
  }
  return std::unique_ptr<FuseSession>(new FuseSession(std::move(state)));
}

FuseSession::FuseSession(std::unique_ptr<State> state) : state_(std::move(state)) {}

FuseSession::~FuseSession() {
  bool unmount_after = false;
  // libfuse unmounts by path unless the connection is cut; after a lazy unmount that is not, as long as files are open,
  // and the path may carry somebody else's mount.
  if (!state_->mount_point.empty() && MayUnmount() &&
      (ConnectionIsCut(fuse_session_fd(state_->session)) || StillMounted())) {
    fuse_session_unmount(state_->session);
    unmount_after = state_->by_fuse2 && StillMounted();
  }
  fuse_session_destroy(state_->session);
  // The connection is closed by now, so fusermount waits for no answer.
  if (unmount_after) static_cast<void>(Unmount(state_->mount_point, UnmountMode::kLazy));
}

// libfuse takes an open device as such a mount point, and closes it with the session.
Status FuseSession::Hold(int device) {
  const LibfuseMessages messages;
  if (fuse_session_mount(state_->session, ("/dev/fd/" + std::to_string(device)).c_str()) == 0) return Status::Ok();
  return Status::IoError(messages.TextOr("libfuse refused the descriptor"));
}

Status FuseSession::Attach(const std::string& mount_point) {
  const std::string failed = "cannot mount on " + mount_point;
  if (state_->device >= 0) return Hold(state_->device).WithContext("cannot serve " + mount_point);
  const LibfuseMessages messages;
  const bool by_root = ::geteuid() == 0;
  const Result<Fusermount> program = by_root ? Fusermount{} : FindFusermount();
  if (program.ok() && program->is_fuse2) {
    Result<FileDescriptor> device = MountByFusermount(*program, state_->mount_options, mount_point);
    if (!device.ok()) return device.status().WithContext(failed);
    SHARDFS_RETURN_IF_ERROR(Hold(device->get()).WithContext(failed));
    static_cast<void>(device->release());
    state_->by_fuse2 = true;
    return Status::Ok();
  }
  if (fuse_session_mount(state_->session, mount_point.c_str()) == 0) return Status::Ok();
  if (!program.ok()) return program.status().WithContext(failed);
  return Status::IoError(failed + ": " + messages.TextOr(by_root ? "the kernel refused" : "fusermount3 refused"));
}

Status FuseSession::Mount(const std::string& mount_point) {
  SHARDFS_RETURN_IF_ERROR(Attach(mount_point));
  state_->mount_point = mount_point;
  state_->mounted_as = ::geteuid();
  SHARDFS_ASSIGN_OR_RETURN(const std::optional<MountEntry> entry, FindMount(mount_point));
  const bool is_handed = state_->device >= 0;
  if (!entry && !is_handed)
    return Status::IoError(mount_point + " is not in the mount table after mounting; was it unmounted?");
  state_->filesystem.mount_point = mount_point;
  if (!entry || (is_handed && entry->type != kShardfsType)) return Status::Ok();
  state_->mounted = *entry;
  state_->filesystem.device_major = entry->device_major;
  state_->filesystem.device_minor = entry->device_minor;
  return Status::Ok();
}

bool FuseSession::StillMounted() const {
  if (state_->device >= 0) return !ConnectionIsCut(fuse_session_fd(state_->session));
  const Result<std::optional<MountEntry>> found = FindMount(state_->mount_point);
  if (!found.ok() || !found->has_value()) return false;
  const MountEntry& entry = **found;
  return entry.device_major == state_->mounted.device_major && entry.device_minor == state_->mounted.device_minor;
}

Status FuseSession::Run() {
  const WakeSignalHandler handler;
  std::jthread starter([this](const std::stop_token& stop) {
    state_->ready.acquire();
    if (stop.stop_requested()) return;
    RaiseReadAhead();
    if (state_->on_ready) state_->on_ready();
  });
  {
    const std::lock_guard lock(state_->mutex);
    state_->in_loop = true;
    state_->loop_thread = ::pthread_self();
  }
  const auto on_stuck = [this] {
    if (state_->on_stuck && !StillMounted()) state_->on_stuck();
  };
  const int result = ServingThreads(state_->session, *state_->filesystem.reads, on_stuck).Run();
  {
    const std::lock_guard lock(state_->mutex);
    state_->in_loop = false;
  }
  state_->loop_left.notify_all();
  starter.request_stop();
  state_->ready.release();
  // An unmount cuts the connection, which a thread that is just taking a request sees as ECONNABORTED.
  if (result < 0 && StillMounted()) {
    return Status::IoError("serving has failed: " + std::generic_category().message(-result));
  }
  return Status::Ok();
}

bool FuseSession::Stop(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  fuse_session_exit(state_->session);
  std::unique_lock lock(state_->mutex);
  // The signal is lost when it comes between the loop's look at the exit flag and its wait, hence again and again.
  while (state_->in_loop && std::chrono::steady_clock::now() < deadline) {
    ::pthread_kill(state_->loop_thread, kWakeSignal);
    state_->loop_left.wait_for(lock, std::chrono::milliseconds(10));
  }
  return !state_->in_loop;
}

void FuseSession::CutConnection() { ::close(fuse_session_fd(state_->session)); }

bool FuseSession::MayUnmount() const { return state_->device < 0 && state_->mounted_as == ::geteuid(); }

FuseSession::Metrics FuseSession::TakeMetrics() const {
  const StatusReport report = MakeStatusReport(state_->filesystem);
  return {std::string(MountHealthName(report.health)), ToPrometheus(report), ToTextfile(report)};
}

const FuseCounters& FuseSession::counters() const { return state_->filesystem.counters; }

// The kernel starts with a window of 128 KiB, and nothing in the protocol raises it. When it takes the reply to INIT,
// which this may overtake, it sets the window back: so it is looked at again. Best effort: only root may.
void FuseSession::RaiseReadAhead() const {
  const std::string path = "/sys/class/bdi/" + std::to_string(state_->mounted.device_major) + ":" +
                           std::to_string(state_->mounted.device_minor) + "/read_ahead_kb";
  const std::string value = std::to_string(kReadAheadKib);
  const FileDescriptor file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.valid()) {
    spdlog::debug("read-ahead stays as it is: cannot open {}: {}", path, std::generic_category().message(errno));
    return;
  }
  constexpr int kAttempts = 5;
  for (int i = 0; i < kAttempts; ++i) {
    if (::pwrite(file.get(), value.data(), value.size(), 0) < 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    char now[16] = {};
    const ssize_t length = ::pread(file.get(), now, sizeof now, 0);
    if (length > 0 && std::string_view(now, static_cast<std::size_t>(length)) == value + "\n") return;
  }
}

}  // namespace shardfs
