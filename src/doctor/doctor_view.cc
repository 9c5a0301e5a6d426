// Probes of doctor.h: a view that is mounted already.
//
// A view is compared with the one that the command line asks for by what it says of itself in .shardfs/status.json: its
// source, its layout, its sizes and the options that decide its bytes. Owner and modes decide none.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/quote_name.h"
#include "doctor/doctor.h"
#include "service/view_status.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr std::array<std::string_view, 5> kOfNoBytes = {"uid", "gid", "file_mode", "dir_mode", "allow_other"};

// Integers and strings as they are written, and nothing for what is not there.
std::string TextAt(const JsonValue& object, std::string_view key) {
  const JsonValue* value = object.Find(key);
  return value == nullptr ? "" : value->text();
}

struct Difference {
  std::string name;
  std::string shown;  // empty: left to the layout's default
  std::string asked;
};

// Adds each value of `asked` that differs in `shown`, an object of the status.
void Compare(const JsonValue* shown, const MountDescription::Pairs& asked, std::vector<Difference>& differences) {
  if (shown == nullptr) return;
  for (const auto& [name, value] : asked) {
    if (std::find(kOfNoBytes.begin(), kOfNoBytes.end(), name) != kOfNoBytes.end()) continue;
    const std::string other = TextAt(*shown, name);
    if (other != value) differences.push_back({name, other, value});
  }
  for (const JsonMember& member : shown->members()) {
    const bool known =
        std::any_of(asked.begin(), asked.end(), [&](const auto& pair) { return pair.first == member.first; });
    if (!known && member.first.starts_with("O.")) differences.push_back({member.first, member.second.text(), ""});
  }
}

std::vector<Difference> DifferencesOf(const JsonValue& status, const MountDescription& asked) {
  std::vector<Difference> differences;
  for (const auto& [name, value] : {std::pair("source", asked.source), std::pair("layout", asked.layout)}) {
    const std::string shown = TextAt(status, name);
    if (shown != value) differences.push_back({name, shown, value});
  }
  Compare(status.Find("parallel"), asked.sizes, differences);
  Compare(status.Find("options"), asked.options, differences);
  return differences;
}

// An option that only one of the two names may have its default's value there: that is advice.
Finding ReportDifferences(const std::string& path, const std::vector<Difference>& differences) {
  Text text;
  bool wrong = false;
  for (const Difference& difference : differences) {
    const auto value = [](const std::string& given) {
      return given.empty() ? Tr("the default") : Text(QuoteName(given));
    };
    if (!text.empty()) text += Tr(", ");
    text += Tr("{} {} where {} is asked for", difference.name, value(difference.shown), value(difference.asked));
    wrong = wrong || (!difference.shown.empty() && !difference.asked.empty());
  }
  Finding finding = Wrong(Tr("mountpoint"), Tr("{} shows another view: {}", path, text),
                          Tr("shardfs umount {}, and mount again with what is asked for", path));
  if (!wrong) finding.level = Finding::Level::kAdvice;
  return finding;
}

}  // namespace

Finding ProbeView(const DoctorTask& task, const MountEntry& view) {
  const Text subject = Tr("mountpoint");
  const std::string& path = view.mount_point;
  const Text shows = Tr("{} shows {}", path, QuoteName(view.source));
  ViewStatus status = AskView(path);
  if (status.answer == ViewStatus::Answer::kUnreadable && status.error_number == ENOENT) return Ok(subject, shows);
  if (status.answer != ViewStatus::Answer::kGiven) {
    if (status.remedy.empty()) status.remedy = Name("shardfs umount " + path);
    return Wrong(subject, std::move(status.problem), std::move(status.remedy));
  }
  const auto json = ParseJson(status.json, path + "/.shardfs/status.json");
  if (!json.ok()) return Ok(subject, shows);
  const std::string health = TextAt(*json, "health");
  if (!health.empty() && health != "healthy") {
    return Wrong(subject, Tr("{}, and its health is {}", shows, QuoteName(health)),
                 Tr("see what `shardfs status {}` says", path));
  }
  if (task.view) {
    const auto differences = DifferencesOf(*json, *task.view);
    if (!differences.empty()) return ReportDifferences(path, differences);
  }
  return Ok(subject, shows);
}

}  // namespace shardfs
