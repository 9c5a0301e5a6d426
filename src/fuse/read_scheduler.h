// ReadScheduler: which READs wait for their source files on a serving thread, and which wait without one.
//
// A read of a source that does not answer (a server that is away) blocks its thread in a page fault, which nothing
// interrupts. If reads took threads as they come, a dozen readers of one such file would hold them all, and no other
// request would be answered. So there are three bounds, and a read that is over one of them is kept as the request that
// it is, without a thread and without a buffer:
//
//   1. At most `most_active` reads wait for sources at a time. The serving threads are a few more than that, and what
//      needs no source (names, attributes, generated files, status) goes past the scheduler, so it never waits here.
//   2. A source is a suspect when reads are inside and none of them has come back for kStall. Reads that are inside a
//      suspect are held to be stuck: bound 1 does not count them, up to kMostStuck for each of `most_active`, so that
//      other sources are read at full speed by as many threads as before.
//   3. Only kFileProbes further reads may enter a suspect; the others are kept with it until one of its reads comes
//      back, which clears it. A healthy source that became a suspect because a read needed it and a hanging one is
//      cleared by the first read that does not need the other; for that one a probe is kept free (MostProbes).
//
// A file system is a source too in this sense: each read is inside its files and inside their file systems, so a server
// that is away takes `most_active` + kFileSystemProbes threads however many files it has. Sources are judged only while
// reads are kept back; the lock is taken only then.
//
// A read that is inside sources stands in a Place, which says of which and since when. It is a thread's own while it is
// taken, and each thread begins with another one; so reads that come one after another write no cache line that other
// threads read, but for the time when a source was heard of, which is good enough when it is kHeardEvery old.
//
// Thread-safety: all members from any number of threads.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "shardfs/source/byte_source.h"
#include "shardfs/view/virtual_tree.h"

struct fuse_req;

namespace shardfs {

class ReadScheduler {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::chrono::milliseconds kStall{200};
  static constexpr int kFileProbes = 2;
  static constexpr int kFileSystemProbes = 8;
  static constexpr int kMostStuck = 3;
  static constexpr std::chrono::milliseconds kHeardEvery{10};

  struct Read {
    fuse_req* request = nullptr;
    std::uint64_t inode = 0;
    std::size_t size = 0;
    std::int64_t offset = 0;
  };

  struct Silence {
    std::string source;  // its name
    std::chrono::milliseconds time{0};
  };

  // `sources`: all that the tree's files take bytes from, each once. `perform` answers a read, and may block; `refuse`
  // answers it with an errno. Neither throws.
  ReadScheduler(std::shared_ptr<const VirtualTree> tree, const std::vector<const ByteSource*>& sources,
                unsigned most_active, std::function<void(const Read&)> perform,
                std::function<void(const Read&, int)> refuse);
  ReadScheduler(const ReadScheduler&) = delete;
  ReadScheduler& operator=(const ReadScheduler&) = delete;

  // Has the read of a file of the view performed: now, by this thread, which then goes on with reads that were kept
  // back; or later by another thread.
  void Submit(const Read& read);

  // Performs reads that were kept back, as long as some may enter. A thread that has nothing to do calls it.
  void ServeWaiting();

  // `call` is called when a first read has been kept back: Judge is to be called every kTick from then on, until it
  // says that none is. To be set before the first Submit.
  void OnPressure(std::function<void()> call) { on_pressure_ = std::move(call); }
  static constexpr std::chrono::milliseconds kTick{50};

  struct Judgement {
    bool kept = false;     // reads are kept back
    unsigned threads = 0;  // so many more threads would find a read to perform in ServeWaiting
  };
  Judgement Judge(Clock::time_point now = Clock::now());

  // Refuses all reads that are kept back.
  void RefuseWaiting(int error);

  // The most threads that may be inside of sources now, those that are stuck included.
  unsigned most_inside() const { return static_cast<unsigned>(limit_.load(std::memory_order_relaxed)); }
  unsigned most_ever_inside() const { return static_cast<unsigned>(places_.size()); }

  // The source files that have reads inside of which none has come back for `least`; by name.
  std::vector<Silence> Silences(std::chrono::milliseconds least, Clock::time_point now = Clock::now());

 private:
  friend class SharedLines;  // the test's, which holds that reads do not write what all threads read
  // A read of more sources than this (many tiny tensors of many files) is inside the first ones only.
  static constexpr std::size_t kMostGates = 12;

  struct Gate;
  struct Place;
  struct GateSet {
    std::array<Gate*, kMostGates> gates;
    std::size_t count = 0;
    std::uint32_t probed = 0;  // a bit for each gate that the read is a probe of, once it has entered
    Place* place = nullptr;    // while the read is inside
    void Add(Gate* gate);
  };
  struct Kept {
    Read read;
    GateSet gates;
  };
  using Queue = std::list<Kept>;

  // A source file or a file system. Reads of healthy sources write only `heard`, at most every kHeardEvery.
  struct alignas(64) Gate {
    std::atomic<bool> suspect{false};    // written with mutex_ held
    std::atomic<int> probes{0};          // of the reads inside, those that entered while it was a suspect
    std::atomic<Clock::rep> heard{0};    // when a read came back last, or up to kHeardEvery before
    const ByteSource* source = nullptr;  // null for a file system
    Gate* file_system = nullptr;         // null for a file system

    // These are guarded by mutex_.
    Queue kept;                  // reads that may not enter
    bool warned = false;         // of its silence, in the log
    int inside = 0;              // reads inside, when CountInside looked last
    Clock::rep silent_since{0};  // then: when a read came back last, or the first of those that are inside entered

    int MostProbes(int suspect_files) const;
    bool IsSilent(Clock::time_point now, Clock::duration least) const;
    void Hear(Clock::rep now);
  };

  // Where one read is inside sources.
  struct alignas(64) Place {
    std::atomic<bool> taken{false};
    std::atomic<Clock::rep> since{0};     // written before `count`, so that no new gate is seen with an old time
    std::atomic<std::uint32_t> count{0};  // of gates; 0 while the read has not quite entered
    std::array<std::atomic<Gate*>, kMostGates> gates{};
  };

  // Why a read may not enter; kBounded: because of `gate`.
  enum class Entry : std::uint8_t { kEntered, kFull, kBounded };

  GateSet GatesOf(const Read& read) const;
  static int SuspectFiles(const GateSet& gates);
  Entry Enter(GateSet& gates, Gate*& bounded_by);
  void Leave(const GateSet& gates);
  void Withdraw(const GateSet& gates);
  Place* TakePlace();  // null: all are taken
  int TakenPlaces(std::size_t begin, std::size_t end) const;
  template <typename Visit>
  void VisitInside(const Visit& visit) const;
  void Work(Read read, GateSet gates);
  bool Keep(const Read& read, const GateSet& gates);
  bool TakeWaiting(Read& read, GateSet& gates);

  // These with mutex_ held.
  void Clear(Gate& gate);
  void Release(Gate& gate);
  void JudgeGate(Gate& gate, Clock::time_point now);
  void KeepWithSuspects();
  void SetLimit();
  void CountInside();

  const std::shared_ptr<const VirtualTree> tree_;
  const int most_active_;
  const std::function<void(const Read&)> perform_;
  const std::function<void(const Read&, int)> refuse_;
  std::function<void()> on_pressure_;

  std::list<Gate> gates_;
  std::unordered_map<const ByteSource*, Gate*> gate_of_;

  std::vector<Place> places_;               // so many that limit_ may rise
  std::atomic<int> limit_;                  // of the places that are taken
  std::atomic<int> highest_limit_;          // so far
  std::atomic<std::size_t> waiting_count_{0};  // of waiting_
  std::atomic<bool> pressed_{false};  // on_pressure_ has been called, and Judge has not said that none is kept

  std::mutex mutex_;  // guards the rest
  Queue waiting_;     // reads that may enter as soon as there are fewer active
  Queue free_;        // nodes to be used again, so that a busy mount allocates nothing
};

}  // namespace shardfs
