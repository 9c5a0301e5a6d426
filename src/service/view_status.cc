#include "service/view_status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/mount_table.h"
#include "service/read_with_deadline.h"

namespace shardfs {
namespace {

// How long the daemon may take to answer. It may itself be waiting for storage that hangs.
constexpr std::chrono::seconds kPatience{5};

// Without allow_other the kernel lets in the user who has mounted, and not even root beside that one.
Text WhoMayAsk(const std::string& mount_point) {
  const Result<std::optional<MountEntry>> mount = FindMount(mount_point);
  const std::optional<std::uint32_t> user = mount.ok() && *mount ? (*mount)->user : std::nullopt;
  if (!user || *user == ::geteuid()) return Tr("ask as the owner of its files, as root, or mount it with other modes");
  if (*user == 0)
    return Tr("ask as root, who has mounted it, or mount it with --allow-other and modes that let this user in");
  return Tr(
      "only the user who has mounted it may look: run `sudo -u \"#{}\" shardfs status {}`, or mount it "
      "with --allow-other",
      *user, mount_point);
}

ViewStatus Unread(const std::string& mount_point, int error_number) {
  ViewStatus status;
  if (error_number == ENOTCONN || error_number == ECONNABORTED) {
    status.answer = ViewStatus::Answer::kDead;
    status.problem = Tr("{} is dead: its daemon has ended without unmounting", mount_point);
    status.remedy =
        Tr("take it away with `shardfs umount {}` and mount it again; its log (`journalctl -t shardfs`, or --log-file) "
           "says why it ended, or nothing where the kernel killed it, as for want of memory; `journalctl -k` and "
           "`dmesg` say "
           "that",
           mount_point);
    return status;
  }
  status.error_number = error_number;
  status.problem = Tr("cannot read the status of {}: {}", mount_point, std::generic_category().message(error_number));
  if (error_number == EACCES) status.remedy = WhoMayAsk(mount_point);
  if (error_number == ENOENT) {
    status.remedy = Tr("its view has a .shardfs of its own, or another version of shardfs serves it");
  }
  return status;
}

}  // namespace

ViewStatus AskView(const std::string& mount_point) {
  DeadlineRead read = ReadWithDeadline(mount_point + "/.shardfs/status.json", kPatience);
  if (read.outcome == DeadlineRead::Outcome::kFailed) return Unread(mount_point, read.error_number);
  ViewStatus status;
  if (read.outcome == DeadlineRead::Outcome::kTimedOut) {
    status.answer = ViewStatus::Answer::kSilent;
    status.problem = Tr("{} does not answer: its daemon has not for {} seconds", mount_point, kPatience.count());
    status.remedy =
        Tr("look whether it is stopped, or waits for storage that hangs; `shardfs umount --lazy {}` takes it away",
           mount_point);
    return status;
  }
  status.answer = ViewStatus::Answer::kGiven;
  status.json = std::move(read.bytes);
  return status;
}

}  // namespace shardfs
