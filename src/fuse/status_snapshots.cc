#include "fuse/status_snapshots.h"

#include <algorithm>
#include <utility>

namespace shardfs {
namespace {

// Callers that only ever ask for a size are many in a look-up storm; past this number, one more gets a text of its own.
constexpr std::size_t kMostCallers = 64;

}  // namespace

StatusSnapshots::Pointer StatusSnapshots::LookUp(std::size_t file, pid_t caller, const Make& make) {
  {
    const std::lock_guard lock(mutex_);
    if (Entry* const entry = FindReusable(file, caller)) {
      ++entry->references;
      return entry->snapshot;
    }
    if (entries_.size() >= kMost) return nullptr;
  }
  std::string text = make();
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kMost) return nullptr;
  const Pointer snapshot = Add(last_ + 1, file, std::move(text), {caller});
  ++last_;
  return snapshot;
}

StatusSnapshots::Pointer StatusSnapshots::Revive(std::uint64_t number, std::size_t file, const Make& make) {
  for (std::string text; true; text = make()) {
    const std::lock_guard lock(mutex_);
    if (const auto place = entries_.find(number); place != entries_.end()) {
      ++place->second.references;
      return place->second.snapshot;
    }
    if (number == 0 || number > last_ || entries_.size() >= kMost) return nullptr;
    if (!text.empty()) return Add(number, file, std::move(text), {});
  }
}

void StatusSnapshots::NoteOpened(std::uint64_t number, pid_t caller) {
  const std::lock_guard lock(mutex_);
  const auto place = entries_.find(number);
  if (place == entries_.end()) return;
  place->second.opened = true;
  std::erase(place->second.not_opened_by, caller);
}

void StatusSnapshots::Forget(std::uint64_t number, std::uint64_t references) {
  const std::lock_guard lock(mutex_);
  const auto place = entries_.find(number);
  if (place == entries_.end()) return;
  place->second.references -= std::min(references, place->second.references);
  if (place->second.references == 0) entries_.erase(place);
}

StatusSnapshots::Pointer StatusSnapshots::Find(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto place = entries_.find(number);
  return place == entries_.end() ? nullptr : place->second.snapshot;
}

// Newest first. Only the newest text of a file is shared with further callers: none of them is to see an older state
// than before.
StatusSnapshots::Entry* StatusSnapshots::FindReusable(std::size_t file, pid_t caller) {
  const Clock::time_point now = Clock::now();
  Entry* newest = nullptr;
  for (auto place = entries_.rbegin(); place != entries_.rend() && now - place->second.made <= kReuse; ++place) {
    Entry& entry = place->second;
    if (entry.snapshot->file != file) continue;
    // The caller's own first: it has seen this one's size.
    const auto callers = entry.not_opened_by.begin();
    if (std::find(callers, entry.not_opened_by.end(), caller) != entry.not_opened_by.end()) return &entry;
    if (newest == nullptr) newest = &entry;
  }
  const bool is_shared = newest != nullptr && !newest->opened && now - newest->made <= kShare;
  if (!is_shared || newest->not_opened_by.size() >= kMostCallers) return nullptr;
  newest->not_opened_by.push_back(caller);
  return newest;
}

StatusSnapshots::Pointer StatusSnapshots::Add(std::uint64_t number, std::size_t file, std::string text,
                                              std::vector<pid_t> callers) {
  auto snapshot = std::make_shared<StatusSnapshot>();
  snapshot->number = number;
  snapshot->file = file;
  snapshot->text = std::move(text);
  ::clock_gettime(CLOCK_REALTIME, &snapshot->made);
  entries_.emplace(number, Entry{snapshot, Clock::now(), 1, false, std::move(callers)});
  return snapshot;
}

}  // namespace shardfs
