#include "fuse/read_scheduler.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "base/quote_name.h"

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
  return inside.load() > 0 && Ticks(now) - heard.load() >= least.count();
}

ReadScheduler::ReadScheduler(std::shared_ptr<const VirtualTree> tree, const std::vector<const ByteSource*>& sources,
                             unsigned most_active, std::function<void(const Read&)> perform,
                             std::function<void(const Read&, int)> refuse)
    : tree_(std::move(tree)),
      most_active_(static_cast<int>(std::max(most_active, 1u))),
      perform_(std::move(perform)),
      refuse_(std::move(refuse)),
      limit_(most_active_) {
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

ReadScheduler::Entry ReadScheduler::Enter(GateSet& gates, Gate*& bounded_by) {
  if (active_.fetch_add(1) >= limit_.load()) {
    active_.fetch_sub(1);
    return Entry::kFull;
  }
  const Clock::rep now = Ticks(Clock::now());
  gates.probed = 0;
  for (std::size_t i = 0; i < gates.count; ++i) {
    Gate& gate = *gates.gates[i];
    if (gate.inside.load() == 0) gate.heard.store(now);
    gate.inside.fetch_add(1);
  }
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
    gates.gates[i]->inside.fetch_sub(1);
  }
  active_.fetch_sub(1);
}

// A read that leaves looks at `suspect` after it has taken itself out of `probes`. So a read that was kept because this
// one was a probe is found here, and waits until Clear hands it on.
void ReadScheduler::Leave(const GateSet& gates) {
  const Clock::rep now = Ticks(Clock::now());
  for (std::size_t i = 0; i < gates.count; ++i) gates.gates[i]->heard.store(now);
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

// Reads that are inside two suspects count twice, which lets in a few more than need be.
void ReadScheduler::SetLimit() {
  int stuck = 0;
  for (const Gate& gate : gates_) {
    if (gate.source != nullptr && gate.suspect.load()) stuck += gate.inside.load();
  }
  limit_.store(most_active_ + std::min(stuck, kMostStuck * most_active_));
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
  for (Gate& gate : gates_) JudgeGate(gate, now);
  KeepWithSuspects();
  SetLimit();
  const int room = std::max(limit_.load() - active_.load(), 0);
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
               gate.inside.load(), gate.kept.size());
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
                                                            Clock::time_point now) const {
  std::vector<Silence> silences;
  for (const Gate& gate : gates_) {
    if (gate.source == nullptr || !gate.IsSilent(now, least)) continue;
    const Clock::duration time(Ticks(now) - gate.heard.load());
    silences.push_back({gate.source->name(), std::chrono::duration_cast<std::chrono::milliseconds>(time)});
  }
  std::sort(silences.begin(), silences.end(), [](const Silence& a, const Silence& b) { return a.source < b.source; });
  return silences;
}

}  // namespace shardfs
