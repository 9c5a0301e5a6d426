#include "service/serve.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "service/describe_mount.h"
#include "service/metrics_textfile.h"
#include "service/published_metrics.h"
#include "service/mount_point.h"
#include "console/output.h"
#include "service/parent_death.h"
#include "service/service_notify.h"
#include "service/stop_signals.h"
#include "pipeline/view_time.h"
#include "source/source_watch.h"
#include "view/tree_sources.h"

namespace shardfs {
namespace {

constexpr const char* kAskTheDoctor = "; `shardfs doctor SOURCE MOUNTPOINT` says what keeps this machine from it";

// What to do about a mount that was refused: allow_other may have been why.
std::string RefusalHint(const FuseOptions& options) {
  if (!options.allow_other || ::geteuid() == 0) return kAskTheDoctor;
  std::ifstream config("/etc/fuse.conf");
  for (std::string line; std::getline(config, line);) {
    if (line.starts_with("user_allow_other")) return kAskTheDoctor;
  }
  return "; --allow-other without root needs a line user_allow_other in /etc/fuse.conf";
}

// Watches the files that the view's bytes come from, the ones that are shown as they are included.
std::shared_ptr<SourceWatch> WatchOf(const BuiltView& view) {
  WatchedSources watched;
  watched.files = SourcesOf(*view.view.tree, true);
  for (const auto& file : view.checkpoint->sources().files()) watched.files.push_back(file.get());
  watched.check_roots = [checkpoint = view.checkpoint] { return checkpoint->sources().CheckRoots(); };
  watched.owner = view.view.tree;
  watched.report = [](const Status& status) { spdlog::warn("{}", status.message()); };
  return std::make_shared<SourceWatch>(std::move(watched));
}

// How to get rid of a mount that this process has served and may not take away.
std::string HintForHandedMount(const std::string& mount_point) {
  return mount_point +
         " is still mounted and dead, because this process did not mount it; the process that did must "
         "unmount it (`shardfs umount` where it is seen)";
}

// The mount is gone already, so what is left are threads that wait for a source, which only the end of the process ends.
[[noreturn]] void EndWithThreadsThatHang(const std::string& mount_point) {
  spdlog::error("unmounted {}, and reads from the source still hang; the process ends without them", mount_point);
  spdlog::shutdown();
  ::_exit(0);
}

// Before the first request is answered. The end of the process is the only safe answer to a failure; whoever supervises
// it detaches the mount.
void BecomeOrEnd(const Account& account) {
  const Status status = DropPrivileges(account);
  if (status.ok()) return;
  PrintError(status.message());
  ::_exit(1);
}

void LogTheEnd(const std::string& mount_point, const FuseSession& session, const View& view) {
  const FuseCounters& counters = session.counters();
  const bool left_behind = !session.MayUnmount() && session.StillMounted();
  spdlog::info("{} {}: {} reads, {} bytes, {} failed reads", left_behind ? "stopped serving" : "unmounted", mount_point,
               counters.reads(), counters.read_bytes(), counters.read_errors());
  for (const ReadNotice& notice : view.notices) {
    if (const std::uint64_t reads = notice.reads->load(); reads > 0) spdlog::warn("{} {}", reads, notice.what);
  }
}

}  // namespace

int Serve(const ViewRequest& asked, MountRequest request, LogRotation* rotation, const ReadyNotifier& on_ready) {
  ::signal(SIGPIPE, SIG_IGN);  // a log that nobody reads any more must not end a mount
  StopSignals signals(rotation);
  // Before anything can be refused: a service that tries again and again must not leave the old numbers there.
  if (!request.metrics_textfile.empty()) RemoveLeftMetrics(request.metrics_textfile, request.mount_point);
  const Result<BuiltView> view = BuildView(
      asked, [](const std::string& notice) { spdlog::warn("{}", notice); },
      [](const std::string& warning) { PrintWarning(warning); });
  if (!view.ok()) return ExitCodeOf(view.status());
  FuseOptions& options = request.options;
  const Result<std::int64_t> time = TimeOf(*view);
  if (!time.ok()) return ExitCodeOf(time.status());
  options.attributes.time_ns = *time;
  options.description = DescribeMount(*view, options);
  options.source_name = view->checkpoint->path();
  options.source_path = [checkpoint = view->checkpoint](const std::string& name) {
    return checkpoint->sources().PathOf(name);
  };
  options.watch = WatchOf(*view);
  options.on_open = [watch = options.watch] { watch->LookIfDue(); };
  const Result<std::unique_ptr<PublishedMetrics>> metrics =
      PublishedMetrics::Prepare(request.metrics_listen, request.metrics_textfile, request.mount_point);
  if (!metrics.ok()) return ExitCodeOf(metrics.status());
  options.on_stuck = [&] {
    (*metrics)->Remove();
    EndWithThreadsThatHang(request.mount_point);
  };
  std::atomic<bool> ready{false};
  const FuseSession* session_of_metrics = nullptr;
  options.on_ready = [&] {
    if (request.run_as) BecomeOrEnd(*request.run_as);
    (*metrics)->Start(session_of_metrics);
    ready = true;
    on_ready();
  };
  const Result<std::unique_ptr<FuseSession>> session = FuseSession::Create(view->view.tree, options);
  if (!session.ok()) return ExitCodeOf(session.status());
  session_of_metrics = session->get();

  // A mount that another process has made is there already, so no other one can come between.
  Result<FileDescriptor> lock =
      options.device >= 0 ? Result<FileDescriptor>(FileDescriptor()) : LockMountPoint(request.mount_point);
  if (!lock.ok()) return ExitCodeOf(lock.status());
  signals.Attach(**session, request.mount_point);
  OutliveParent();  // from here on a process that starts this one hears of it by `on_ready`
  Status status = (*session)->Mount(request.mount_point);
  *lock = FileDescriptor();
  if (!status.ok()) {
    signals.Detach();
    if (options.device >= 0) return ExitCodeOf(status);
    return ExitCodeOf(Status::IoError(std::string(status.message()) + RefusalHint(options)));
  }
  spdlog::info("{} {} on {}: {}", options.device >= 0 ? "serving" : "mounted", options.source_name, request.mount_point,
               view->view.summary);
  status = (*session)->Run();
  (*metrics)->Stop();
  NotifyServiceOrWarn("STOPPING=1\nSTATUS=" + std::string(options.device >= 0 ? "leaving " : "unmounting ") +
                      request.mount_point);
  signals.Detach();
  LogTheEnd(request.mount_point, **session, view->view);
  if (options.device >= 0 && (*session)->StillMounted()) spdlog::warn("{}", HintForHandedMount(request.mount_point));
  if (!ready) return ExitCodeOf(status);  // somebody waits to hear of it
  if (!status.ok()) spdlog::error("{}: {}", request.mount_point, status.message());
  return ToExitCode(status.code());
}

}  // namespace shardfs
