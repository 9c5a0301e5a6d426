#include "source/source_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <optional>
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
  bool change_reported = false;
  bool name_reported = false;
};

std::vector<WatchedFile> ByName(std::vector<const ByteSource*> sources) {
  std::sort(sources.begin(), sources.end(), [](const ByteSource* a, const ByteSource* b) {
    return a->name() != b->name() ? a->name() < b->name() : std::less<>()(a, b);
  });
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  std::vector<WatchedFile> files;
  files.reserve(sources.size());
  for (const ByteSource* const source : sources) files.emplace_back().source = source;
  return files;
}

// What `check` says; it may allocate.
template <typename Check>
Status Ask(const Check& check) {
  try {
    return check();
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted("no memory to look at a source file");
  }
}

}  // namespace

struct SourceWatch::State {
  explicit State(WatchedSources all)
      : watched(std::move(all)), files(ByName(watched.files)), roots_known(watched.check_roots == nullptr) {}

  const WatchedSources watched;
  std::mutex mutex;  // guards the rest
  std::condition_variable looked;
  std::vector<WatchedFile> files;  // by name
  std::size_t under_way = 0;       // looks at all files
  std::size_t done = 0;            // such looks, ever
  bool roots_known = false;        // to be other ones, or asked just now

  void LookAtAll();
  void LookAt(WatchedFile& file, std::unique_lock<std::mutex>& lock);
  void LookAtRoots(std::unique_lock<std::mutex>& lock);
  void Report(const Status& status, bool& reported, std::unique_lock<std::mutex>& lock);
  std::size_t Hanging(std::chrono::milliseconds patience) const;  // looks
};

std::string SilenceMessage(const std::string& name, std::chrono::milliseconds time) {
  return fmt::format("source file {} has not answered for {} s; is its server or device away?", QuoteName(name),
                     std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

SourceWatch::SourceWatch(WatchedSources watched, std::chrono::milliseconds patience)
    : patience_(patience), state_(std::make_shared<State>(std::move(watched))) {
  for (std::unique_ptr<BackgroundTask>& look : looks_) {
    look = std::make_unique<BackgroundTask>([state = state_] { state->LookAtAll(); });
  }
}

SourceWatch::~SourceWatch() = default;

std::vector<const ByteSource*> SourceWatch::files() const {
  std::vector<const ByteSource*> files;
  for (const WatchedFile& file : state_->files) files.push_back(file.source);  // which file a place has never changes
  return files;
}

void SourceWatch::State::LookAtAll() {
  std::unique_lock lock(mutex);
  for (WatchedFile& file : files) {
    if (!file.asked) LookAt(file, lock);  // else another look is at it
  }
  LookAtRoots(lock);
  --under_way;
  ++done;
  looked.notify_all();
}

void SourceWatch::State::LookAt(WatchedFile& file, std::unique_lock<std::mutex>& lock) {
  file.asked = Clock::now();
  const bool asks_name = !file.name_reported;
  lock.unlock();
  Status status = Ask([&file] { return file.source->CheckUnchanged(); });
  const Status name = asks_name ? Ask([&file] { return file.source->CheckName(); }) : Status::Ok();
  lock.lock();
  file.asked.reset();
  file.last = std::move(status);
  const Status found = file.last;
  Report(found, file.change_reported, lock);
  Report(name, file.name_reported, lock);
}

void SourceWatch::State::LookAtRoots(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(roots_known, true)) return;
  lock.unlock();
  const Status status = Ask(watched.check_roots);
  lock.lock();
  roots_known = false;
  Report(status, roots_known, lock);
}

void SourceWatch::State::Report(const Status& status, bool& reported, std::unique_lock<std::mutex>& lock) {
  if (status.ok() || std::exchange(reported, true) || watched.report == nullptr) return;
  lock.unlock();
  watched.report(status);
  lock.lock();
}

std::size_t SourceWatch::State::Hanging(std::chrono::milliseconds patience) const {
  const auto hangs = [limit = Clock::now() - patience](const WatchedFile& file) {
    return file.asked && *file.asked <= limit;
  };
  return static_cast<std::size_t>(std::count_if(files.begin(), files.end(), hangs));
}

// Begins a look, where none is under way but those that hang. False when there is no thread for it.
bool SourceWatch::Start() {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->under_way > state_->Hanging(patience_)) return true;
    ++state_->under_way;
  }
  if (std::any_of(looks_.begin(), looks_.end(), [](auto& look) { return look->Start(); })) return true;
  const std::lock_guard lock(state_->mutex);
  --state_->under_way;
  return false;
}

void SourceWatch::LookIfDue() {
  const auto now = Clock::now();
  auto next = next_.load(std::memory_order_relaxed);
  if (now < next || !next_.compare_exchange_strong(next, now + kInterval, std::memory_order_relaxed)) return;
  Start();
}

SourceFindings SourceWatch::Look() {
  std::unique_lock lock(state_->mutex);
  const std::size_t done_before = state_->done;
  lock.unlock();
  Start();
  lock.lock();
  // A look that hangs keeps its first caller until it is known to hang, and the others not at all.
  state_->looked.wait_for(lock, patience_ * 5 / 4, [&] {
    return state_->done != done_before || state_->under_way <= state_->Hanging(patience_);
  });

  SourceFindings findings;
  findings.files = state_->files.size();
  const Clock::time_point now = Clock::now();
  for (const WatchedFile& file : state_->files) {
    const std::string& name = file.source->name();
    if (file.asked && now - *file.asked >= patience_) {
      const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(now - *file.asked);
      findings.silent.push_back({name, SilenceMessage(name, time)});
    }
    if (file.last.ok()) continue;
    auto& list = file.last.code() == StatusCode::kSourceChanged ? findings.changed : findings.unreachable;
    list.push_back({name, std::string(file.last.message())});
  }
  return findings;
}

}  // namespace shardfs
