#include "fuse/source_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace shardfs {

SourceFindings SourceWatch::Look(const VirtualTree& tree) {
  std::unique_lock lock(mutex_);
  if (looking_) {
    const bool came_back = looked_.wait_for(lock, patience_, [this] { return !looking_; });
    SourceFindings findings = last_;
    findings.pending = !came_back;
    return findings;
  }
  looking_ = true;
  lock.unlock();

  struct Finish {
    SourceWatch& watch;
    SourceFindings found;
    bool complete = false;
    ~Finish() {
      const std::lock_guard guard(watch.mutex_);
      if (complete) watch.last_ = std::move(found);
      watch.looking_ = false;
      watch.looked_.notify_all();
    }
  } finish{*this, {}};
  finish.found = LookAtAll(tree);
  SourceFindings findings = finish.found;
  finish.complete = true;
  return findings;
}

void SourceWatch::CollectSources(const VirtualTree& tree) {
  std::unordered_set<const ByteSource*> found;
  for (const VirtualNode& node : tree.nodes()) {
    if (node.is_directory()) continue;
    node.file->VisitSources(0, node.file->size(), [&](const SourceSpan& span) { found.insert(span.source); });
  }
  std::vector<const ByteSource*> sources(found.begin(), found.end());
  std::sort(sources.begin(), sources.end(),
            [](const ByteSource* a, const ByteSource* b) { return a->name() < b->name(); });
  sources_ = std::move(sources);
}

SourceFindings SourceWatch::LookAtAll(const VirtualTree& tree) {
  if (sources_.empty()) CollectSources(tree);
  SourceFindings findings;
  findings.files = sources_.size();
  for (const ByteSource* source : sources_) {
    const Status status = source->CheckUnchanged();
    if (status.ok()) continue;
    auto& list = status.code() == StatusCode::kSourceChanged ? findings.changed : findings.unreachable;
    list.push_back({source->name(), std::string(status.message())});
  }
  LogNewChanges(findings);
  return findings;
}

void SourceWatch::LogNewChanges(const SourceFindings& findings) {
  for (const SourceFindings::File& file : findings.changed) {
    const auto place = std::lower_bound(logged_.begin(), logged_.end(), file.name);
    if (place != logged_.end() && *place == file.name) continue;
    logged_.insert(place, file.name);
    spdlog::error("{}", file.message);
  }
}

}  // namespace shardfs
