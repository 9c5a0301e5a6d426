// SourceWatch: whether the source files that a view takes bytes from are still those that were opened.
//
// Reads notice a change of the file that they touch; this looks at all of them (one fstat each), so that a change is
// known before a rank runs into it. Looking latches a changed source, as a read does: its reads fail from then on.
//
// A file's server may not answer, and then fstat hangs. So threads of the watch look, and who asks waits a moment for
// them and then gets what is known: what each file's last look found, and which files have a look under way that hangs.
// Another thread looks at the others meanwhile, which leaves those out; at most kMostLooks threads hang so.
// Thread-safety: Look from any number of threads.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/background_task.h"
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
  std::vector<File> silent;       // do not answer; by name
};

// What is said of a source file that has not answered for so long.
std::string SilenceMessage(const std::string& name, std::chrono::milliseconds time);

class SourceWatch {
 public:
  static constexpr std::size_t kMostLooks = 4;

  // How long a look at one file may take before that file is called silent. Look waits a quarter longer at most.
  explicit SourceWatch(std::chrono::milliseconds patience = std::chrono::milliseconds(500));
  ~SourceWatch();

  // `tree` must be the same each time. Logs each change once. Throws bad_alloc.
  SourceFindings Look(const std::shared_ptr<const VirtualTree>& tree);

 private:
  struct State;
  std::size_t Hanging() const;  // looks; with the state's mutex held

  const std::chrono::milliseconds patience_;
  const std::shared_ptr<State> state_;  // the threads have a share in it
  std::array<std::unique_ptr<BackgroundTask>, kMostLooks> looks_;
};

}  // namespace shardfs
