// SourceWatch: whether the files of a source are still those that were opened.
//
// Reads notice a change of the file that they touch; this looks at all files (two stats each, so some hundred
// microseconds for the 163 files of a large checkpoint), so that a change is known before a rank runs into it, and a
// replaced name at all. Looking latches a changed source, as a read does: its reads fail from then on.
//
// A file's server may not answer, and then its stat hangs. So threads of the watch look, and the caller of Look waits a
// moment for them and then gets what is known: what each file's last look found, and which files have a look under way
// that hangs. Another thread looks at the others meanwhile, which leaves those out; at most kMostLooks threads hang so.
// Thread-safety: all members from any number of threads.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/background_task.h"
#include "shardfs/source/byte_source.h"

namespace shardfs {

struct SourceFindings {
  struct File {
    std::string name;
    std::string message;  // one sentence
  };
  std::size_t files = 0;          // that are watched
  std::vector<File> changed;      // by name
  std::vector<File> unreachable;  // could not be looked at; by name
  std::vector<File> silent;       // do not answer; by name
};

// What is said of a source file that has not answered for so long.
std::string SilenceMessage(const std::string& name, std::chrono::milliseconds time);

// What is watched.
struct WatchedSources {
  std::vector<const ByteSource*> files;         // each once is enough
  std::function<Status()> check_roots;          // of the directories that the files are in; may be empty
  std::shared_ptr<const void> owner;            // keeps the files alive; the threads have a share in it
  std::function<void(const Status&)> report;    // of what is found, once each; from any thread; may be empty
};

class SourceWatch {
 public:
  static constexpr std::size_t kMostLooks = 4;
  static constexpr std::chrono::milliseconds kInterval{1000};
  static constexpr std::chrono::milliseconds kPatience{500};

  // `patience`: how long a look at one file may take before that file is called silent. Look waits a quarter longer at
  // most.
  explicit SourceWatch(WatchedSources watched, std::chrono::milliseconds patience = kPatience);
  ~SourceWatch();

  // The watched files, each once, by name.
  std::vector<const ByteSource*> files() const;

  // Looks, and says what is known then. Throws bad_alloc.
  SourceFindings Look();

  // Begins a look unless one was begun less than kInterval ago. Neither waits nor throws.
  void LookIfDue();

 private:
  struct State;
  bool Start();

  const std::chrono::milliseconds patience_;
  const std::shared_ptr<State> state_;  // the threads have a share in it
  std::array<std::unique_ptr<BackgroundTask>, kMostLooks> looks_;
  std::atomic<std::chrono::steady_clock::time_point> next_{std::chrono::steady_clock::time_point::min()};
};

}  // namespace shardfs
