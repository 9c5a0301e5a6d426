// Probes of doctor.h: the mountpoint as the engine wants it, and where the source lies.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "base/open_as_user.h"
#include "base/text_file.h"
#include "console/message_text.h"
#include "doctor/doctor.h"
#include "shardfs/layout/registry.h"
#include "service/mount_point.h"
#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/format_bytes.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

// What keeps the engine's user from a view that is mounted, or from the directories above the mountpoint.
std::optional<Finding> ProbeEntry(const DoctorTask& task, const std::optional<MountWithOptions>& mount, bool is_view) {
  const uid_t user = task.engine_user;
  const std::string& path = task.mount_point;
  const Text subject = Tr("mountpoint");
  if (is_view && mount->entry.user && *mount->entry.user != user &&
      ("," + mount->super_options + ",").find(",allow_other,") == std::string::npos) {
    return Wrong(subject,
                 Tr("the engine as uid {} cannot enter {}: it is mounted without allow_other, for uid {} alone", user,
                    path, *mount->entry.user),
                 Tr("shardfs umount {}, and mount again with --allow-other --uid {}, or as uid {}", path, user, user));
  }
  const std::string way = is_view ? path : fs::path(path).parent_path().string();
  const std::string closed = ClosedByMode(way, GroupsOf(user));
  if (closed.empty()) return std::nullopt;
  return Wrong(subject, Tr("the engine as uid {} may not pass {}", user, closed),
               closed == path ? Tr("shardfs umount {}, and mount again with --uid {}", path, user)
                              : Name("chmod o+x " + closed));
}

bool IsNetwork(const std::string& type) {
  constexpr std::array<std::string_view, 12> kTypes = {"nfs",    "nfs4", "cifs", "smb3", "ceph",      "lustre",
                                                       "beegfs", "gpfs", "9p",   "afs",  "glusterfs", "virtiofs"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end() || type.starts_with("fuse.");
}

// Bytes of a file in the page cache; nothing where the kernel does not say (before 6.5).
std::optional<std::uint64_t> CachedBytes(const std::string& path) {
  constexpr long kCachestat = 451;  // the system call, which Debian 12's headers do not have
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;  // 0: to the end
  } range;
  struct Counts {
    std::uint64_t cache = 0;  // pages
    std::uint64_t dirty = 0;
    std::uint64_t writeback = 0;
    std::uint64_t evicted = 0;
    std::uint64_t recently_evicted = 0;
  } counts;
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() || ::syscall(kCachestat, file.get(), &range, &counts, 0u) != 0) return std::nullopt;
  return counts.cache * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Text CacheShare(const DoctorTask& task) {
  std::uint64_t cached = 0;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(task.source, error)) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto bytes = CachedBytes(entry.path());
    if (!bytes) return {};
    cached += *bytes;
  }
  if (task.source_bytes == 0) return {};
  const double share = 100.0 * static_cast<double>(cached) / static_cast<double>(task.source_bytes);
  return Tr(", {:.0f} % in the page cache", std::min(share, 100.0));
}

// What `materialize` would make of it as DEST, where a mount could not be made: nothing where it would refuse it, too.
std::optional<Finding> ProbeDestination(const std::optional<MountWithOptions>& mount, const std::string& path) {
  const Text subject = Tr("mountpoint");
  const bool in_tmpfs = mount && mount->entry.type == "tmpfs";
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) {
    if (!fs::is_directory(fs::path(path).parent_path(), error)) return std::nullopt;
    if (in_tmpfs) return Ok(subject, Tr("{} is not there; `shardfs materialize` creates it in the tmpfs", path));
    return Advice(subject, Tr("{} is not there; `shardfs materialize` creates it, `shardfs mount` does not", path),
                  Tr("mkdir {}, to mount on it", path));
  }
  if (status.type() != fs::file_type::directory) return std::nullopt;
  for (const char* name : {kCompleteName, kManifestName, kJournalName}) {
    if (fs::exists(fs::path(path) / name, error)) {
      return Ok(subject, Tr("{} holds what `shardfs materialize` has written", path));
    }
  }
  const bool is_mount = in_tmpfs && mount->entry.mount_point == path;
  if (!is_mount) return std::nullopt;
  if (fs::is_empty(path, error))
    return Ok(subject, Tr("{} is an empty tmpfs; `shardfs materialize` can write into it", path));
  return Wrong(subject, Tr("{} is a tmpfs that holds other files", path),
               Tr("give a directory in it: {}/weights", path));
}

}  // namespace

std::optional<std::string> OptionValue(const std::string& options, const std::string& name) {
  std::istringstream words(options);
  for (std::string word; std::getline(words, word, ',');) {
    if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
  }
  return std::nullopt;
}

std::vector<Finding> ProbeMountPoint(const DoctorSystem& system, const DoctorTask& task) {
  const Text subject = Tr("mountpoint");
  std::vector<Finding> findings;
  const std::string& path = task.mount_point;
  const auto mount = MountOf(system, path);
  const bool is_view = mount && mount->entry.type == kShardfsType && mount->entry.mount_point == path;
  if (is_view) {
    findings.push_back(ProbeView(task, mount->entry));
  } else {
    const auto usable = CheckMountPoint(path, task.source.empty() ? "/proc/self/no-source" : task.source);
    if (usable.ok()) {
      findings.push_back(Ok(subject, Tr("{} is an empty directory", path)));
    } else if (auto destination = ProbeDestination(mount, path)) {
      findings.push_back(std::move(*destination));
    } else {
      RefusalText refusal = RefusalOf(usable.status());
      std::error_code error;
      const bool missing = !fs::exists(fs::symlink_status(path, error));
      if (refusal.remedy.empty()) refusal.remedy = Tr("choose another directory");
      if (missing) refusal.remedy = Name("mkdir -p " + path);
      findings.push_back(Wrong(subject, refusal.problem, refusal.remedy));
    }
  }
  for (const Layout* const layout : Layouts()) {
    if (!task.layout.empty() && task.layout != layout->name()) continue;
    for (const std::string& warning : layout->WarningsOfPlace({path, 0, 0})) {
      findings.push_back(Wrong(subject, TextOfMessage(warning), Tr("choose a directory of another name")));
    }
  }
  if (auto entry = ProbeEntry(task, mount, is_view)) findings.push_back(std::move(*entry));
  return findings;
}

Finding ProbeSourcePlace(const DoctorSystem& system, const DoctorTask& task) {
  std::error_code error;
  const std::string path = fs::weakly_canonical(task.source, error);
  const auto mount = MountOf(system, path);
  const std::string type = mount ? mount->entry.type : "unknown";
  const Text what = Tr("{} in {} files on {}", FormatBytes(task.source_bytes), task.source_files, type);
  if (IsNetwork(type)) {
    return Advice(
        Tr("source"), Tr("{}, which is over the network or behind another process", what),
        Tr("let each node materialize its own ranks (--node-rank, --nnodes), or copy the source to a local disk"));
  }
  return Ok(Tr("source"), what + CacheShare(task));
}

std::vector<Finding> Examine(const DoctorSystem& system, const DoctorTask& task) {
  std::vector<Finding> findings = {ProbeDevice(system),
                                   ProbePrivileges(system),
                                   ProbeFusermount(system),
                                   ProbeUser(system, task),
                                   ProbeMountMax(system, task),
                                   ProbeAllowOther(system, task),
                                   ProbeKernel(system),
                                   ProbeReadAhead(system, task),
                                   ProbeLog(system),
                                   ProbeTmpfs(system, task),
                                   ProbeInodes(system, task),
                                   ProbeHugePages(system, task),
                                   ProbeMemory(system, task),
                                   ProbeSwap(system),
                                   ProbeOpenFiles(system, task)};
  if (task.source_files > 0) findings.push_back(ProbeSourcePlace(system, task));
  if (!task.mount_point.empty()) {
    for (Finding& finding : ProbeMountPoint(system, task)) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace shardfs
