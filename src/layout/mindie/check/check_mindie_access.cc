// The check of check_mindie.h that opens every file as MindIE's user.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

#include "base/mount_table.h"
#include "base/open_as_user.h"
#include "base/quote_name.h"
#include "console/message_text.h"
#include "layout/mindie/check/check_mindie.h"
#include "layout/mindie/state_dict.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

Text Subject() { return Tr("access"); }

// The FUSE mount on the way to `path` that lets in nobody but another user than `user`.
std::optional<MountWithOptions> ClosedMount(const std::string& path, uid_t user) {
  const auto mount = MountOf(path);
  if (!mount || !mount->entry.user || *mount->entry.user == user) return std::nullopt;
  const std::string options = "," + mount->super_options + ",";
  return options.find(",allow_other,") == std::string::npos ? mount : std::nullopt;
}

Text Remedy(const std::string& path, uid_t user) {
  if (const auto mount = ClosedMount(path, user)) {
    return Tr("mount {} again with --allow-other --uid {}, or as uid {}: it is a FUSE mount of uid {} alone",
              QuoteName(mount->entry.mount_point), user, user, *mount->entry.user);
  }
  return Tr("let uid {} in with chown, chmod or setfacl, there and in the directories above", user);
}

Finding CannotOpen(const std::string& directory, uid_t user, const std::vector<OpenFailure>& failures) {
  const OpenFailure& first = failures.front();
  const std::string reason = std::generic_category().message(first.error_number);
  const bool is_above = failures.size() == 1 && first.path.size() <= directory.size();
  return Wrong(Subject(),
               is_above ? Tr("uid {} cannot enter {}: {}", user, QuoteName(first.path), reason)
                        : Tr("uid {} cannot open {} of the files and directories, the first {}: {}", user,
                             failures.size(), QuoteName(first.path), reason),
               Remedy(directory, user));
}

// What can be said without becoming the user.
Finding Reason(const MindieDirectoryCheck& check) {
  const UserGroups user = GroupsOf(check.user);
  if (const auto mount = ClosedMount(check.directory, user.uid)) {
    return Wrong(Subject(),
                 Tr("{} is a FUSE mount of uid {} without allow_other, which uid {} cannot enter",
                    QuoteName(mount->entry.mount_point), *mount->entry.user, user.uid),
                 Remedy(check.directory, user.uid));
  }
  if (const std::string closed = ClosedByMode(check.directory, user); !closed.empty()) {
    struct stat attributes {};
    ::stat(closed.c_str(), &attributes);
    return Wrong(
        Subject(),
        Tr("uid {} cannot enter {}: its mode is {:04o}", user.uid, QuoteName(closed), attributes.st_mode & 07777),
        Remedy(check.directory, user.uid));
  }
  return Advice(Subject(), Tr("whether uid {} can open the files was not tried", user.uid),
                Tr("run this as root or as uid {}", user.uid));
}

Finding::Level LevelOf(const std::string& word) {
  if (word == "wrong") return Finding::Level::kWrong;
  return word == "advice" ? Finding::Level::kAdvice : Finding::Level::kOk;
}

std::string Encode(const std::vector<Finding>& findings) {
  auto json = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    const auto text = [](const Text& both) {
      return nlohmann::ordered_json{{"en", both.english()}, {"zh", both.chinese()}};
    };
    json.push_back({{"level", LevelName(finding.level)},
                    {"subject", text(finding.subject)},
                    {"message", text(finding.message)},
                    {"remedy", text(finding.remedy)}});
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::vector<Finding> Decode(const std::string& text) {
  std::vector<Finding> findings;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_array()) return {Wrong(Subject(), Tr("the process that tried gave no answer"), Tr("run this again"))};
  for (const auto& one : json) {
    const auto both = [&one](const char* key) { return Text(one[key].value("en", ""), one[key].value("zh", "")); };
    findings.push_back({LevelOf(one.value("level", "")), both("subject"), both("message"), both("remedy")});
  }
  return findings;
}

// A dead mount's attributes may still be cached, its entries never are.
bool IsDead(const std::string& directory) {
  const FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
  return !file.valid() && errno == ENOTCONN;
}

}  // namespace

Finding CheckMindieAccess(const MindieDirectoryCheck& check) {
  if (!CanActAs(check.user)) return Reason(check);
  const std::set<std::string> folders = MindieFoldersOf(check.mapping, check.ranks);
  const auto answer = ActAs(GroupsOf(check.user), [&] {
    const auto failures = TryToOpen(check.directory, {folders.begin(), folders.end()});
    if (!failures.empty()) return Encode({CannotOpen(check.directory, check.user, failures)});
    return Encode({Ok(Subject(), Tr("uid {} can open every file", check.user))});
  });
  if (!answer.ok()) {
    return Advice(Subject(), TextOf(answer.status()),
                  Tr("run this where root may become uid {}", check.user));
  }
  return Decode(*answer).front();
}

std::vector<Finding> CheckMindieDirectory(const MindieDirectoryCheck& check) {
  if (IsDead(check.directory)) {
    return {Wrong(Subject(), Tr("{} is a dead mount: the daemon that served it has ended", QuoteName(check.directory)),
                  Tr("shardfs umount {}, and mount it again", check.directory))};
  }
  const Finding access = CheckMindieAccess(check);
  struct stat attributes {};
  // A FUSE mount may let in nobody but its own user, not even root.
  const bool may_look = ::stat(check.directory.c_str(), &attributes) == 0;
  if (may_look) return CheckMindieContents(check, access);
  if (access.level == Finding::Level::kOk) {
    const auto answer = ActAs(GroupsOf(check.user), [&] { return Encode(CheckMindieContents(check, access)); });
    if (answer.ok()) return Decode(*answer);
  }
  return {access};
}

}  // namespace shardfs
