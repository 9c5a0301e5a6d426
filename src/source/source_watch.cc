#include "fuse/source_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/quote_name.h"

namespace shardfs {

using Clock = std::chrono::steady_clock;

namespace {

// What is known of one source file.
struct WatchedFile {
  const ByteSource* source = nullptr;
  std::optional<Clock::time_point> asked;  // while a look is under way
  Status last;                             // what the last look found
  bool logged = false;
};

std::vector<WatchedFile> SourcesOf(const VirtualTree& tree) {
  std::unordered_set<const ByteSource*> found;
  for (const VirtualNode& node : tree.nodes()) {
    if (node.is_directory()) continue;
    node.file->VisitSources(0, node.file->size(), [&](const SourceSpan& span) { found.insert(span.source); });
  }
  std::vector<WatchedFile> sources;
  for (const ByteSource* source : found) sources.push_back({source, {}, {}, false});
  std::sort(sources.begin(), sources.end(),
            [](const WatchedFile& a, const WatchedFile& b) { return a.source->name() < b.source->name(); });
  return sources;
}

}  // namespace

struct SourceWatch::State {
  std::mutex mutex;  // guards the rest
  std::condition_variable looked;
  std::shared_ptr<const VirtualTree> tree;  // keeps the sources alive
  std::vector<WatchedFile> sources;         // by name
  std::size_t under_way = 0;                // looks at all sources
  std::size_t done = 0;                     // such looks, ever

  void LookAtAll();
  void Note(WatchedFile& source, Status status);
};

std::string SilenceMessage(const std::string& name, std::chrono::milliseconds time) {
  return fmt::format("source file {} has not answered for {} s; is its server or device away?", QuoteName(name),
                     std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

SourceWatch::SourceWatch(std::chrono::milliseconds patience)
    : patience_(patience), state_(std::make_shared<State>()) {
  for (std::unique_ptr<BackgroundTask>& look : looks_) {
    look = std::make_unique<BackgroundTask>([state = state_] { state->LookAtAll(); });
  }
}

SourceWatch::~SourceWatch() = default;

void SourceWatch::State::LookAtAll() {
  std::unique_lock lock(mutex);
  for (WatchedFile& source : sources) {
    if (source.asked) continue;  // by another look
    source.asked = Clock::now();
    lock.unlock();
    Status status;
    try {
      status = source.source->CheckUnchanged();
    } catch (const std::bad_alloc&) {
      status = Status::ResourceExhausted("no memory to look at a source file");
    }
    lock.lock();
    Note(source, std::move(status));
  }
  --under_way;
  ++done;
  looked.notify_all();
}

void SourceWatch::State::Note(WatchedFile& source, Status status) {
  source.asked.reset();
  source.last = std::move(status);
  if (source.last.code() != StatusCode::kSourceChanged || std::exchange(source.logged, true)) return;
  spdlog::error("{}", source.last.message());
}

std::size_t SourceWatch::Hanging() const {
  const auto hangs = [limit = Clock::now() - patience_](const WatchedFile& source) {
    return source.asked && *source.asked <= limit;
  };
  return static_cast<std::size_t>(std::count_if(state_->sources.begin(), state_->sources.end(), hangs));
}

SourceFindings SourceWatch::Look(const std::shared_ptr<const VirtualTree>& tree) {
  std::unique_lock lock(state_->mutex);
  if (state_->tree == nullptr) {
    state_->sources = SourcesOf(*tree);
    state_->tree = tree;
  }
  const std::size_t done_before = state_->done;
  if (state_->under_way <= Hanging()) {
    ++state_->under_way;
    lock.unlock();
    const bool started = std::any_of(looks_.begin(), looks_.end(), [](auto& look) { return look->Start(); });
    lock.lock();
    if (!started) --state_->under_way;
  }
  // A look that hangs keeps its first caller until it is known to hang, and the others not at all.
  state_->looked.wait_for(lock, patience_ * 5 / 4, [&] {
    return state_->done != done_before || state_->under_way <= Hanging();
  });

  SourceFindings findings;
  findings.files = state_->sources.size();
  const Clock::time_point now = Clock::now();
  for (const WatchedFile& source : state_->sources) {
    const std::string& name = source.source->name();
    if (source.asked && now - *source.asked >= patience_) {
      const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(now - *source.asked);
      findings.silent.push_back({name, SilenceMessage(name, time)});
    }
    if (source.last.ok()) continue;
    auto& list = source.last.code() == StatusCode::kSourceChanged ? findings.changed : findings.unreachable;
    list.push_back({name, std::string(source.last.message())});
  }
  return findings;
}

}  // namespace shardfs
