#include "service/mounted_request.h"

#include <fmt/format.h>

#include <optional>

#include "base/mount_table.h"
#include "base/quote_name.h"
#include "service/view_status.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

std::string TextAt(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.Find(key);
  return value != nullptr && value->is_string() ? value->text() : "";
}

// The topmost mount above `path`, which is as the mount table writes it.
Result<MountEntry> MountAbove(const std::string& path) {
  for (std::string above = path;;) {
    SHARDFS_ASSIGN_OR_RETURN(const std::optional<MountEntry> mount, FindMount(above));
    if (mount && mount->type == kShardfsType) return *mount;
    if (mount || above == "/") break;
    const std::size_t slash = above.rfind('/');
    above = slash == 0 ? "/" : above.substr(0, slash);
  }
  return Status::InvalidArgument(
      fmt::format("{} lies in no mounted view of shardfs; give a file of one, or --source SOURCE with the options of a "
                  "view and the file's path within it",
                  QuoteName(path)));
}

Result<ViewRequest> RequestOf(const JsonValue& status, const std::string& mount_point) {
  const JsonValue* const recorded = status.Find("request");
  const JsonValue* const options = recorded == nullptr ? nullptr : recorded->Find("options");
  if (options == nullptr || !options->is_array()) {
    return Status::IoError(fmt::format(
        "the daemon of {} does not say what it was asked for: another version of shardfs serves it; mount it again",
        mount_point));
  }
  ViewRequest request;
  request.source = TextAt(status, "source");
  request.layout = TextAt(status, "layout");
  request.from = TextAt(*recorded, "from");
  request.place.path = mount_point;
  for (const JsonValue& option : options->items()) {
    const std::string name = TextAt(option, "name");
    request.options.push_back({name, TextAt(option, "value"), OptionOrigin::kCommandLine, OptionFlagOf(name)});
  }
  return request;
}

}  // namespace

Result<MountedRequest> FindMountedRequest(const std::string& file) {
  SHARDFS_ASSIGN_OR_RETURN(const std::string path, CanonicalMountPath(file));
  SHARDFS_ASSIGN_OR_RETURN(const MountEntry mount, MountAbove(path));
  const ViewStatus answer = AskView(mount.mount_point);
  if (answer.answer != ViewStatus::Answer::kGiven) {
    return Status::IoError(answer.problem.english() + (answer.remedy.empty() ? "" : "; " + answer.remedy.english()));
  }
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue status, ParseJson(answer.json, mount.mount_point + "/.shardfs/status.json"));
  MountedRequest found;
  SHARDFS_ASSIGN_OR_RETURN(found.request, RequestOf(status, mount.mount_point));
  found.mount_point = mount.mount_point;
  if (path.size() > mount.mount_point.size()) {
    found.path = path.substr(mount.mount_point == "/" ? 1 : mount.mount_point.size() + 1);
  }
  return found;
}

}  // namespace shardfs
