#include "service/view_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "base/mount_table.h"
#include "console/output.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

std::string TextAt(const JsonValue& status, std::string_view key) {
  const JsonValue* const value = status.Find(key);
  return value != nullptr && value->is_string() ? value->text() : "";
}

void Ask(ListedView& view) {
  view.status = AskView(view.mount_point);
  switch (view.status.answer) {
    case ViewStatus::Answer::kDead:
      view.health = "dead";
      return;
    case ViewStatus::Answer::kSilent:
      view.health = "silent";
      return;
    case ViewStatus::Answer::kUnreadable:
      view.health = "unknown";
      return;
    case ViewStatus::Answer::kGiven:
      break;
  }
  const Result<JsonValue> status = ParseJson(view.status.json, view.mount_point + "/.shardfs/status.json");
  view.health = status.ok() ? TextAt(*status, "health") : "unknown";
  if (!status.ok()) return;
  view.layout = TextAt(*status, "layout");
  view.source = TextAt(*status, "source");
}

}  // namespace

Result<std::vector<ListedView>> ListViews() {
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<MountEntry> mounts, ReadMountTable());
  std::map<std::string, bool> points;  // whether the topmost mount is a view
  for (const MountEntry& mount : mounts) points[mount.mount_point] = mount.type == kShardfsType;
  std::vector<ListedView> views;
  for (const auto& [point, is_view] : points) {
    if (!is_view) continue;
    views.emplace_back().mount_point = point;
  }
  // Each may wait for as long as a silent daemon is given, so all of them wait at the same time.
  std::vector<std::thread> threads;
  for (ListedView& view : views) threads.emplace_back([&view] { Ask(view); });
  for (std::thread& thread : threads) thread.join();
  return views;
}

std::string FormatViewList(const std::vector<ListedView>& views) {
  if (views.empty()) return "No view is mounted.\n";
  std::size_t point = std::string_view("MOUNTPOINT").size();
  std::size_t layout = std::string_view("LAYOUT").size();
  for (const ListedView& view : views) {
    point = std::max(point, OneLine(view.mount_point).size());
    layout = std::max(layout, view.layout.size());
  }
  std::string text = fmt::format("{:<{}}  {:<14}  {:<{}}  SOURCE\n", "MOUNTPOINT", point, "HEALTH", "LAYOUT", layout);
  for (const ListedView& view : views) {
    const std::string last = view.source.empty() ? view.status.problem.english() : view.source;
    text += fmt::format("{:<{}}  {:<14}  {:<{}}  {}\n", OneLine(view.mount_point), point, view.health,
                        view.layout.empty() ? "-" : view.layout, layout, OneLine(last));
  }
  return text;
}

}  // namespace shardfs
