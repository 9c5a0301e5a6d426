// shardfs mount: shows a checkpoint's view on a directory.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file_mode.h"
#include "base/open_as_user.h"
#include "base/path_within.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "console/logging.h"
#include "console/output.h"
#include "service/daemon.h"
#include "service/describe_mount.h"
#include "service/handed_mount.h"
#include "service/inherited_descriptors.h"
#include "service/log_rotation.h"
#include "service/mount_point.h"
#include "service/mount_privilege.h"
#include "service/output_file.h"
#include "service/selinux.h"
#include "service/serve.h"
#include "service/service_notify.h"
#include "service/supervisor.h"

namespace shardfs {
namespace {

struct MountArguments {
  ViewRequest view;
  std::string mount_point;
  bool foreground = false;
  bool allow_other = false;
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  std::string file_mode = "0440";
  std::string directory_mode = "0750";
  unsigned threads = 0;  // 0: DefaultThreads
  std::string log_file;
  std::string run_as;                                       // as typed; empty: whoever mounts
  std::string metrics_listen;
  std::string metrics_textfile;
  std::array<std::string, kSelinuxOptions.size()> selinux;  // labels; empty: none
  int fuse_fd = -1;                                         // of a mount that another process has made; -1: none

  bool is_handed() const { return fuse_fd >= 0; }
};

// Ranks fault pages at once, and each waits for its own: threads are there to wait, so many more than cores.
unsigned DefaultThreads() { return std::max(32u, 2 * std::thread::hardware_concurrency()); }

Status SetUpLog(const MountArguments& arguments, const std::string& mount_point) {
  if (arguments.log_file.empty()) {
    arguments.foreground ? LogToStderr() : LogToSyslog();
    return Status::Ok();
  }
  std::error_code error;
  std::string path = arguments.log_file;
  bool is_within = arguments.is_handed() && IsWithinByName(path, mount_point);  // to look at it would hang
  if (!arguments.is_handed()) {
    path = std::filesystem::weakly_canonical(arguments.log_file, error).string();
    is_within = !error && IsWithin(path, mount_point);
  }
  if (is_within) {
    return Status::InvalidArgument("the log file " + path + " is inside the mountpoint " + mount_point +
                                   "; put it elsewhere");
  }
  SHARDFS_RETURN_IF_ERROR(CheckOutsideSource("the log file", arguments.log_file, arguments.view.source));
  return LogToFile(arguments.log_file);
}

Result<std::string> TextfileDirectory(const MountArguments& arguments, const std::string& mount_point) {
  SHARDFS_RETURN_IF_ERROR(CheckOutsideSource("the directory of metrics", arguments.metrics_textfile + "/metrics.prom",
                                             arguments.view.source));
  std::error_code error;
  const std::string path = std::filesystem::canonical(arguments.metrics_textfile, error).string();
  if (error) {
    return Status::InvalidArgument(fmt::format("--metrics-textfile: cannot open {}: {}", arguments.metrics_textfile,
                                               error.message()));
  }
  if (!IsWithin(path, mount_point)) return path;
  return Status::InvalidArgument("the directory of metrics " + path + " is inside the mountpoint " + mount_point +
                                 "; put it elsewhere");
}

SelinuxLabels LabelsAskedFor(const MountArguments& arguments) {
  SelinuxLabels labels;
  for (std::size_t i = 0; i < kSelinuxOptions.size(); ++i) {
    if (!arguments.selinux[i].empty()) labels.emplace_back(kSelinuxOptions[i], arguments.selinux[i]);
  }
  return labels;
}

// Says why the owner of the files, for whom a view is usually mounted, cannot enter it.
std::vector<std::string> EntryWarnings(const std::string& mount_point, const FuseOptions& options) {
  std::vector<std::string> warnings;
  const uid_t owner = options.attributes.uid;
  if (owner == ::geteuid()) return warnings;
  if (!options.allow_other) {
    warnings.push_back(fmt::format(
        "the files belong to uid {}, who cannot enter {}: without --allow-other only uid {}, who mounts it, "
        "may; add --allow-other",
        owner, mount_point, ::geteuid()));
  }
  const std::string above = std::filesystem::path(mount_point).parent_path();
  if (const std::string closed = ClosedByMode(above, GroupsOf(owner)); !closed.empty()) {
    warnings.push_back(
        fmt::format("the files belong to uid {}, who may not pass {}; chmod o+x {}", owner, closed, closed));
  }
  return warnings;
}

// What the process that mounts decides, and this one cannot.
Status CheckSuitsHandedMount(const MountArguments& arguments) {
  const auto refuse = [](std::string_view option, std::string_view instead) {
    return Status::InvalidArgument(fmt::format("{} cannot be had with --fuse-fd; {}", option, instead));
  };
  if (!arguments.run_as.empty()) return refuse("--run-as", "start this process as that user");
  if (const SelinuxLabels labels = LabelsAskedFor(arguments); !labels.empty()) {
    return refuse(fmt::format("--{}", labels[0].first), "the process that mounts gives the label to mount(2)");
  }
  return CheckFuseDescriptor(arguments.fuse_fd);
}

// The mount point, and what else is decided by whether this process mounts on it itself.
Status FindWhereToServe(const MountArguments& arguments, MountRequest& request) {
  if (!arguments.is_handed()) {
    SHARDFS_ASSIGN_OR_RETURN(request.mount_point, CheckMountPoint(arguments.mount_point, arguments.view.source));
    return Status::Ok();
  }
  SHARDFS_ASSIGN_OR_RETURN(const HandedMount handed, ExamineHandedMount(arguments.mount_point, arguments.view.source));
  for (const std::string& warning : handed.warnings) PrintWarning(warning);
  request.mount_point = handed.mount_point;
  request.options.device = arguments.fuse_fd;
  request.is_visible = handed.entry.has_value();
  return Status::Ok();
}

Result<MountRequest> Prepare(const MountArguments& arguments) {
  SHARDFS_RETURN_IF_ERROR(arguments.is_handed() ? CheckSuitsHandedMount(arguments) : CheckMayMount());
  MountRequest request;
  SHARDFS_ASSIGN_OR_RETURN(request.options.attributes.file_mode, ParseMode(arguments.file_mode, "--file-mode"));
  SHARDFS_ASSIGN_OR_RETURN(request.options.attributes.directory_mode,
                           ParseMode(arguments.directory_mode, "--dir-mode"));
  request.options.attributes.uid = arguments.uid;
  request.options.attributes.gid = arguments.gid;
  request.options.allow_other = arguments.allow_other;
  if (!arguments.run_as.empty()) {
    if (::geteuid() != 0) return Status::InvalidArgument("--run-as gives up root, and this is not root; leave it out");
    SHARDFS_ASSIGN_OR_RETURN(request.run_as, ParseAccount(arguments.run_as));
  }
  SHARDFS_ASSIGN_OR_RETURN(request.options.kernel_options, SelinuxMountOptions(LabelsAskedFor(arguments)));
  request.options.max_threads = arguments.threads != 0 ? arguments.threads : DefaultThreads();
  SHARDFS_RETURN_IF_ERROR(FindWhereToServe(arguments, request));
  SHARDFS_RETURN_IF_ERROR(SetUpLog(arguments, request.mount_point));
  request.metrics_listen = arguments.metrics_listen;
  if (!arguments.metrics_textfile.empty()) {
    SHARDFS_ASSIGN_OR_RETURN(request.metrics_textfile, TextfileDirectory(arguments, request.mount_point));
  }
  if (arguments.is_handed()) return request;
  for (const std::string& warning : EntryWarnings(request.mount_point, request.options)) PrintWarning(warning);
  return request;
}

// Waits for the file system's first answers, as any user of it would get them.
Status CheckAnswers(const std::string& mount_point, dev_t device_before) {
  struct stat attributes {};
  if (::stat(mount_point.c_str(), &attributes) != 0) {
    return Status::IoError("the mount on " + mount_point +
                           " does not answer: " + std::generic_category().message(errno));
  }
  if (attributes.st_dev == device_before) {
    return Status::IoError("nothing is mounted on " + mount_point + " although the daemon runs; was it unmounted?");
  }
  return Status::Ok();
}

// A daemon's log file may be rotated, and so may that of a service which is kept in the foreground. Otherwise SIGHUP
// says that the terminal of a mount in the foreground has gone away.
OnHangup MeaningOfHangup(const MountArguments& arguments) {
  if (!arguments.foreground) return OnHangup::kReopenLog;
  const FileDescriptor terminal(::open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY));
  return terminal.valid() || arguments.log_file.empty() ? OnHangup::kStop : OnHangup::kReopenLog;
}

// The directory that the view will be found in; empty where it is not known, or where comparing it with the paths of
// MindIE's configuration would look into a mount that nothing serves yet.
std::string PlaceOf(const MountArguments& arguments, const MountRequest& request) {
  if (!arguments.is_handed()) return request.mount_point;
  const bool is_looked_at = request.is_visible && !arguments.view.Given("mindie_config").empty();
  return is_looked_at || DescriptorOfPath(request.mount_point) ? "" : request.mount_point;
}

// Serves in this process, or, as another user, in a child of it. `on_ready` is called in this process, which a service
// manager listens to and a terminal waits for.
int ServeAsAsked(const MountArguments& arguments, const MountRequest& request, ReadyNotifier on_ready) {
  const OnHangup on_hangup = MeaningOfHangup(arguments);
  ViewRequest view = arguments.view;
  view.place = {PlaceOf(arguments, request), request.options.attributes.file_mode,
                request.options.attributes.directory_mode};
  view.warns_of_place = true;
  const auto serve = [&](LogRotation& rotation, const ReadyNotifier& ready) {
    return Serve(view, request, on_hangup == OnHangup::kStop ? nullptr : &rotation, ready);
  };
  if (!request.run_as) {
    LogRotation rotation;
    return serve(rotation, on_ready);
  }
  const auto serve_supervised = [&](const std::function<void()>& ready, LogRotation& rotation) {
    return serve(rotation, [&] {
      if (!arguments.foreground) LeaveTerminal();
      ready();
    });
  };
  return Supervise(request.mount_point, on_hangup, serve_supervised, std::move(on_ready));
}

// "/dev/fd/N" as the mount point is --fuse-fd N, as libfuse has it.
Status SettleDevice(MountArguments& arguments) {
  const std::optional<int> named = DescriptorOfPath(arguments.mount_point);
  if (!named) return Status::Ok();
  if (arguments.is_handed() && arguments.fuse_fd != *named) {
    return Status::InvalidArgument(fmt::format("--fuse-fd {} and the mountpoint {} name two descriptors; give one",
                                               arguments.fuse_fd, arguments.mount_point));
  }
  arguments.fuse_fd = *named;
  return Status::Ok();
}

int RunMount(MountArguments& arguments) {
  if (const Status status = SettleDevice(arguments); !status.ok()) return ExitCodeOf(status);
  CloseInheritedDescriptors(arguments.is_handed() ? std::optional(arguments.fuse_fd) : std::nullopt);
  // Without root, fusermount3 has to gain some.
  if (::geteuid() == 0 || arguments.is_handed()) {
    if (const Status status = ForbidNewPrivileges(); !status.ok()) return ExitCodeOf(status);
  }
  const Result<MountRequest> request = Prepare(arguments);
  if (!request.ok()) return ExitCodeOf(request.status());
  if (arguments.foreground) {
    const std::string& source = arguments.view.source;
    NotifyServiceOrWarn("STATUS=reading the headers of " + source);
    // Whichever process and thread comes to call it, this one is the service.
    const std::string ready =
        fmt::format("READY=1\nMAINPID={}\nSTATUS=serving {} on {}", ::getpid(), source, request->mount_point);
    return ServeAsAsked(arguments, *request, [&ready] { NotifyServiceOrWarn(ready); });
  }

  ::unsetenv("NOTIFY_SOCKET");  // a service that mounts in the background is ready when it says so itself
  const std::string& mount_point = request->mount_point;
  if (arguments.is_handed()) {
    return RunAsDaemon([&](ReadyNotifier ready) { return ServeAsAsked(arguments, *request, std::move(ready)); },
                       [] { return Status::Ok(); }, ::_exit);
  }
  struct stat before {};
  if (::stat(mount_point.c_str(), &before) != 0) return ExitCodeOf(Status::FromErrno(errno, mount_point));
  return RunAsDaemon([&](ReadyNotifier ready) { return ServeAsAsked(arguments, *request, std::move(ready)); },
                     [mount_point, device = before.st_dev] { return CheckAnswers(mount_point, device); }, ::_exit);
}

}  // namespace

Command AddMountCommand(CLI::App& program) {
  CLI::App* command = program.add_subcommand("mount", "Show a view of a checkpoint on a directory");
  auto arguments = std::make_shared<MountArguments>();
  AddViewOptions(*command, arguments->view);
  command->add_option("MOUNTPOINT", arguments->mount_point, "Empty directory to mount on")->required();
  command->add_flag("-f,--foreground", arguments->foreground, "Stay in the foreground and log to stderr");
  command->add_flag("--allow-other", arguments->allow_other, "Let other users in, as the modes allow");
  command->add_option("--uid", arguments->uid, "Owner of all files (default: the user who mounts)")->type_name("USER");
  command->add_option("--gid", arguments->gid, "Group of all files (default: that of the user)")->type_name("GROUP");
  command->add_option("--file-mode", arguments->file_mode, "Mode of files (default: 0440)")->type_name("MODE");
  command->add_option("--dir-mode", arguments->directory_mode, "Mode of directories (default: 0750)")
      ->type_name("MODE");
  command->add_option("--threads", arguments->threads, "Most threads that serve reads (default: 32 or 2 a core)")
      ->check(CLI::Range(1u, 1024u))
      ->type_name("N");
  command
      ->add_option("--fuse-fd", arguments->fuse_fd,
                   "Serve the mount that another process has made with this open /dev/fuse; MOUNTPOINT is its name")
      ->check(CLI::Range(0, INT_MAX))
      ->type_name("N");
  command->add_option("--log-file", arguments->log_file, "Log of the daemon (default: syslog)")->type_name("FILE");
  command
      ->add_option("--run-as", arguments->run_as, "As root: serve as this user once it is mounted, without privileges")
      ->type_name("USER[:GROUP]");
  command
      ->add_option("--metrics-listen", arguments->metrics_listen,
                   "Serve /metrics and /healthz over HTTP there; a port alone is one of 127.0.0.1")
      ->type_name("ADDR:PORT");
  command
      ->add_option("--metrics-textfile", arguments->metrics_textfile,
                   "Write metrics there for node_exporter's textfile collector, every 15 seconds")
      ->type_name("DIR");
  const std::array<const char*, kSelinuxOptions.size()> labelled = {
      "Label of the mount and of all files in it", "Label of the mount alone", "Label of files that have none",
      "Label of the top directory"};
  for (std::size_t i = 0; i < kSelinuxOptions.size(); ++i) {
    command->add_option(fmt::format("--{}", kSelinuxOptions[i]), arguments->selinux[i], labelled[i])
        ->group("SELinux")
        ->type_name("LABEL");
  }
  return {command, [arguments] { return RunMount(*arguments); }};
}

}  // namespace shardfs
