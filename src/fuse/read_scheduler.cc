#include "fuse/read_scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "base/quote_name.h"
#include "fuse/thread_number.h"

namespace shardfs {
namespace {

constexpr std::chrono::seconds kWarn{5};

ReadScheduler::Clock::rep Ticks(ReadScheduler::Clock::time_point time) { return time.time_since_epoch().count(); }

}  // namespace

void ReadScheduler::GateSet::Add(Gate* gate) {
  if (count == gates.size() || std::find(gates.begin(), gates.begin() + count, gate) != gates.begin() + count) return;
  gates[count++] = gate;
}

bool ReadScheduler::Gate::IsSilent(Clock::time_point now, Clock::duration least) const {
  return inside > 0 && Ticks(now) - silent_since >= least.count();
}

void ReadScheduler::Gate::Hear(Clock::rep now) {
  if (now - heard.load(std::memory_order_relaxed) >= Clock::duration(kHeardEvery).count()) heard.store(now);
}

ReadScheduler::ReadScheduler(std::shared_ptr<const VirtualTree> tree, const std::vector<const ByteSource*>& sources,
                             unsigned most_active, std::function<void(const Read&)> perform,
                             std::function<void(const Read&, int)> refuse)
    : tree_(std::move(tree)),
      most_active_(static_cast<int>(std::max(most_active, 1u))),
      perform_(std::move(perform)),
      refuse_(std::move(refuse)),
      places_(static_cast<std::size_t>(most_active_) * (1 + kMostStuck)),
      limit_(most_active_),
      highest_limit_(most_active_) {
  std::unordered_map<std::uint64_t, Gate*> file_systems;
  for (const ByteSource* const source : sources) {
    Gate*& file_system = file_systems[source->file_system()];
    if (file_system == nullptr) file_system = &gates_.emplace_back();
    Gate& gate = gates_.emplace_back();
    gate.source = source;
    gate.file_system = file_system;
    gate_of_.emplace(source, &gate);
  }
}

ReadScheduler::GateSet ReadScheduler::GatesOf(const Read& read) const {
  GateSet gates;
  const VirtualFile& file = *tree_->node(static_cast<NodeId>(read.inode - 1)).file;
  const auto add = [&gates, this](const SourceSpan& span) {
    const auto place = gate_of_.find(span.source);
    if (place == gate_of_.end()) return;
    gates.Add(place->second);
    gates.Add(place->second->file_system);
  };
  file.VisitSources(static_cast<std::uint64_t>(read.offset), read.size, add);
  return gates;
}

// How many probes may be inside for one more to enter. A read of several suspect files tells least of each, and a read
// of a suspect file tells little of its file system, so these leave probes to others, which can clear the source.
int ReadScheduler::Gate::MostProbes(int suspect_files) const {
  if (source != nullptr) return suspect_files > 1 ? kFileProbes / 2 : kFileProbes;
  return suspect_files > 0 ? kFileSystemProbes / 2 : kFileSystemProbes;
}

int ReadScheduler::SuspectFiles(const GateSet& gates) {
  return static_cast<int>(std::count_if(gates.gates.begin(), gates.gates.begin() + gates.count, [](const Gate* gate) {
    return gate->source != nullptr && gate->suspect.load();
  }));
}

int ReadScheduler::TakenPlaces(std::size_t begin, std::size_t end) const {
  return static_cast<int>(std::count_if(places_.begin() + static_cast<std::ptrdiff_t>(begin),
                                        places_.begin() + static_cast<std::ptrdiff_t>(end),
                                        [](const Place& place) { return place.taken.load(); }));
}

// Each thread tries its own place first. When the limit has fallen, reads may still be in places above it; they count.
ReadScheduler::Place* ReadScheduler::TakePlace() {
  const auto limit = static_cast<std::size_t>(limit_.load());
  const std::size_t own = ThreadNumber();
  for (std::size_t i = 0; i < limit; ++i) {
    Place& place = places_[(own + i) % limit];
    if (place.taken.load() || place.taken.exchange(true)) continue;
    const int above = TakenPlaces(limit, static_cast<std::size_t>(std::max(highest_limit_.load(), limit_.load())));
    if (above == 0 || above + TakenPlaces(0, limit) <= static_cast<int>(limit)) return &place;
    place.taken.store(false);
    return nullptr;
  }
  return nullptr;
}

ReadScheduler::Entry ReadScheduler::Enter(GateSet& gates, Gate*& bounded_by) {
  gates.place = TakePlace();
  if (gates.place == nullptr) return Entry::kFull;
  Place& place = *gates.place;
  place.since.store(Ticks(Clock::now()));
  for (std::size_t i = 0; i < gates.count; ++i) place.gates[i].store(gates.gates[i], std::memory_order_relaxed);
  place.count.store(static_cast<std::uint32_t>(gates.count));
  gates.probed = 0;
  const int suspect_files = SuspectFiles(gates);
  for (std::size_t i = 0; i < gates.count; ++i) {
    Gate& gate = *gates.gates[i];
    if (!gate.suspect.load()) continue;
    gates.probed |= 1u << i;
    if (gate.probes.fetch_add(1) < gate.MostProbes(suspect_files)) continue;
    Withdraw(gates);
    bounded_by = &gate;
    return Entry::kBounded;
  }
  return Entry::kEntered;
}

void ReadScheduler::Withdraw(const GateSet& gates) {
  for (std::size_t i = 0; i < gates.count; ++i) {
    if ((gates.probed >> i & 1) != 0) gates.gates[i]->probes.fetch_sub(1);
  }
  gates.place->count.store(0);
  gates.place->taken.store(false);
}

// A read that leaves looks at `suspect` after it has taken itself out of `probes`. So a read that was kept because this
// one was a probe is found here, and waits until Clear hands it on.
void ReadScheduler::Leave(const GateSet& gates) {
  const Clock::rep now = Ticks(Clock::now());
  for (std::size_t i = 0; i < gates.count; ++i) gates.gates[i]->Hear(now);
  Withdraw(gates);
  for (std::size_t i = 0; i < gates.count; ++i) {
    if (!gates.gates[i]->suspect.load()) continue;
    const std::lock_guard lock(mutex_);
    Clear(*gates.gates[i]);
  }
}

void ReadScheduler::Clear(Gate& gate) {
  gate.suspect.store(false);
  Release(gate);
  SetLimit();
  if (std::exchange(gate.warned, false)) spdlog::info("source file {} answers again", QuoteName(gate.source->name()));
}

// Has the reads that the gate keeps tried again.
void ReadScheduler::Release(Gate& gate) {
  waiting_count_.fetch_add(gate.kept.size());
  waiting_.splice(waiting_.end(), gate.kept);
}

// Calls visit(gate, when its read entered) for each gate of each read that is inside.
template <typename Visit>
void ReadScheduler::VisitInside(const Visit& visit) const {
  for (const Place& place : places_) {
    const std::uint32_t count = place.count.load();
    for (std::uint32_t i = 0; i < count; ++i) {
      Gate& gate = *place.gates[i].load();  // before `since`, which may be of a later read then, but of no earlier one
      visit(gate, place.since.load());
    }
  }
}

// Finds out how many reads are inside each gate, and since when it is silent.
void ReadScheduler::CountInside() {
  for (Gate& gate : gates_) gate.inside = 0;
  VisitInside([](Gate& gate, Clock::rep since) {
    gate.silent_since = gate.inside == 0 ? since : std::min(gate.silent_since, since);
    ++gate.inside;
  });
  for (Gate& gate : gates_) gate.silent_since = std::max(gate.silent_since, gate.heard.load());
}

// Reads that are inside two suspects count twice, which lets in a few more than need be.
void ReadScheduler::SetLimit() {
  int stuck = 0;
  VisitInside([&stuck](const Gate& gate, Clock::rep) {
    if (gate.source != nullptr && gate.suspect.load()) ++stuck;
  });
  const int limit = most_active_ + std::min(stuck, kMostStuck * most_active_);
  highest_limit_.store(std::max(highest_limit_.load(), limit));
  limit_.store(limit);
}

void ReadScheduler::Submit(const Read& read) {
  GateSet gates = GatesOf(read);
  if (gates.count == 0) {
    perform_(read);
    return;
  }
  Gate* bounded_by = nullptr;
  if (Enter(gates, bounded_by) == Entry::kEntered) {
    Work(read, gates);
    return;
  }
  if (!Keep(read, gates)) {
    refuse_(read, ENOMEM);
    return;
  }
  // What was in the way may have left before this read was to be seen among those that wait.
  ServeWaiting();
  if (!pressed_.exchange(true) && on_pressure_) on_pressure_();
}

void ReadScheduler::ServeWaiting() {
  Read read;
  GateSet gates;
  if (waiting_count_.load() != 0 && TakeWaiting(read, gates)) Work(read, gates);
}

void ReadScheduler::Work(Read read, GateSet gates) {
  do {
    perform_(read);
    Leave(gates);
  } while (waiting_count_.load() != 0 && TakeWaiting(read, gates));
}

bool ReadScheduler::Keep(const Read& read, const GateSet& gates) {
  const std::lock_guard lock(mutex_);
  try {
    if (free_.empty()) free_.emplace_back();
  } catch (const std::bad_alloc&) {
    return false;
  }
  free_.front() = {read, gates};
  waiting_.splice(waiting_.end(), free_, free_.begin());
  waiting_count_.fetch_add(1);
  return true;
}

// The first that may enter. Those that a suspect keeps are put with it on the way, so each is looked at once.
bool ReadScheduler::TakeWaiting(Read& read, GateSet& gates) {
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty()) {
    Kept& first = waiting_.front();
    Gate* bounded_by = nullptr;
    const Entry entry = Enter(first.gates, bounded_by);
    if (entry == Entry::kFull) return false;
    waiting_count_.fetch_sub(1);
    if (entry == Entry::kBounded) {
      bounded_by->kept.splice(bounded_by->kept.end(), waiting_, waiting_.begin());
      continue;
    }
    read = first.read;
    gates = first.gates;
    free_.splice(free_.end(), waiting_, waiting_.begin());
    return true;
  }
  return false;
}

ReadScheduler::Judgement ReadScheduler::Judge(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const bool kept = !waiting_.empty() || std::any_of(gates_.begin(), gates_.end(),
                                                     [](const Gate& gate) { return !gate.kept.empty(); });
  if (!kept) {
    pressed_.store(false);
    return {};
  }
  CountInside();
  for (Gate& gate : gates_) JudgeGate(gate, now);
  KeepWithSuspects();
  SetLimit();
  const int room = std::max(limit_.load() - TakenPlaces(0, places_.size()), 0);
  return {true, static_cast<unsigned>(std::min<std::size_t>(waiting_.size(), static_cast<std::size_t>(room)))};
}

void ReadScheduler::JudgeGate(Gate& gate, Clock::time_point now) {
  if (!gate.suspect.load()) {
    if (gate.IsSilent(now, kStall)) gate.suspect.store(true);
    return;
  }
  // A read that entered for a moment and was turned away by another source may have kept a probe of this one out.
  if (gate.probes.load() < gate.MostProbes(2)) Release(gate);
  if (gate.source == nullptr || gate.warned || !gate.IsSilent(now, kWarn)) return;
  gate.warned = true;
  spdlog::warn("source file {} does not answer: {} reads of it hang, {} wait behind them", QuoteName(gate.source->name()),
               gate.inside, gate.kept.size());
}

// Puts what may not enter with the suspect that keeps it, so that Judge asks for no thread for it.
void ReadScheduler::KeepWithSuspects() {
  for (auto place = waiting_.begin(); place != waiting_.end();) {
    const auto kept = place++;
    const int suspect_files = SuspectFiles(kept->gates);
    const auto end = kept->gates.gates.begin() + kept->gates.count;
    const auto bounded_by = std::find_if(kept->gates.gates.begin(), end, [suspect_files](const Gate* gate) {
      return gate->suspect.load() && gate->probes.load() >= gate->MostProbes(suspect_files);
    });
    if (bounded_by == end) continue;
    (*bounded_by)->kept.splice((*bounded_by)->kept.end(), waiting_, kept);
    waiting_count_.fetch_sub(1);
  }
}

void ReadScheduler::RefuseWaiting(int error) {
  Queue refused;
  {
    const std::lock_guard lock(mutex_);
    waiting_count_.store(0);
    refused.splice(refused.end(), waiting_);
    for (Gate& gate : gates_) refused.splice(refused.end(), gate.kept);
  }
  for (const Kept& kept : refused) refuse_(kept.read, error);
}

std::vector<ReadScheduler::Silence> ReadScheduler::Silences(std::chrono::milliseconds least,
                                                            Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  CountInside();
  std::vector<Silence> silences;
  for (const Gate& gate : gates_) {
    if (gate.source == nullptr || !gate.IsSilent(now, least)) continue;
    const Clock::duration time(Ticks(now) - gate.silent_since);
    silences.push_back({gate.source->name(), std::chrono::duration_cast<std::chrono::milliseconds>(time)});
  }
  std::sort(silences.begin(), silences.end(), [](const Silence& a, const Silence& b) { return a.source < b.source; });
  return silences;
}

}  // namespace shardfs
