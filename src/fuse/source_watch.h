// SourceWatch: whether the source files that a view takes bytes from are still those that were opened.
//
// Reads notice a change of the file that they touch; this looks at all of them (one fstat each), so that a change is
// known before a rank runs into it. Looking latches a changed source, as a read does: its reads fail from then on.
// Thread-safety: Look from any number of threads; one of them looks, the others wait for what it finds.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "shardfs/source/byte_source.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

struct SourceFindings {
  struct File {
    std::string name;
    std::string message;  // one sentence
  };
  std::size_t files = 0;          // that the view takes bytes from
  std::vector<File> changed;      // by name
  std::vector<File> unreachable;  // could not be looked at; by name
  bool pending = false;           // a look has not come back (storage that hangs); the rest is of the one before
};

class SourceWatch {
 public:
  // How long to wait for another thread's look before calling it pending.
  explicit SourceWatch(std::chrono::milliseconds patience = std::chrono::seconds(2)) : patience_(patience) {}

  // `tree` must be the same each time. Logs each change once. Throws bad_alloc.
  SourceFindings Look(const VirtualTree& tree);

 private:
  void CollectSources(const VirtualTree& tree);
  SourceFindings LookAtAll(const VirtualTree& tree);
  void LogNewChanges(const SourceFindings& findings);

  const std::chrono::milliseconds patience_;

  std::mutex mutex_;  // guards the next two
  std::condition_variable looked_;
  bool looking_ = false;
  SourceFindings last_;

  // Only of the thread that is looking.
  std::vector<const ByteSource*> sources_;  // by name; collected by the first look
  std::vector<std::string> logged_;         // names of changed files, sorted
};

}  // namespace shardfs
