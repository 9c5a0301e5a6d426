// Journal: what a run has done so far, in its destination, so that the same command can go on after it was killed.
//
// Lines of "<XXH3-128 of the rest, 32 digits> <JSON>\n". The first names the run; each later one a directory or file
// that is about to be made, or a file that is complete under its name. A line is appended with one write; what a kill
// or a power failure tears is the end, which is cut off when the run goes on.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {

struct JournalContents {
  RunIdentity run;
  std::string boot;                          // of the machine when the run began
  std::set<std::string> directories;         // made, or about to be
  std::set<std::string> files;               // begun, or about to be
  std::map<std::string, ManifestFile> done;  // complete, by path
  std::uint64_t valid_bytes = 0;             // whole lines; what follows is torn
};

// kCorruption, with the number of the line, for what a run does not write: `text` may come from anybody. A bad line is
// torn when no good one follows it.
Result<JournalContents> ParseJournal(std::string_view text, std::string_view what);

Result<JournalContents> ReadJournal(int root, const std::string& directory);

// OK, or kInvalidArgument when a run is writing to the directory: what stands there then is about to change.
Status CheckJournalNotHeld(int root, const std::string& directory);

// Tells one start of the machine from another; empty where that cannot be known. After a restart what the journal says
// may be ahead of what reached the disk.
std::string CurrentBoot();

// An open journal. One run at a time holds it: others get kInvalidArgument.
// Thread-safety: the three records from any thread.
class Journal {
 public:
  Journal() = default;

  // Makes the journal of a new run. It appears with its first line in it, and never in the place of another one:
  // kInvalidArgument where there is one.
  static Result<Journal> Begin(int root, const std::string& directory, const RunIdentity& run);

  // Goes on with one that has been read, and still is as it was then.
  static Result<Journal> Continue(int root, const std::string& directory, const JournalContents& contents);

  bool is_open() const { return file_.valid(); }
  // Whether the destination has the journal of another run under the name, which only a file system without locks lets
  // happen: what lies in the destination is that run's then.
  bool IsAnothers(int root) const;
  Status DirectoryMade(const std::string& path);  // before it is made
  Status FileBegun(const std::string& path);      // before it is made
  Status FileDone(const ManifestFile& file);      // after it has its name

 private:
  Journal(FileDescriptor file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size), mutex_(std::make_unique<std::mutex>()) {}
  Status Append(const std::string& json);

  FileDescriptor file_;
  std::string path_;                   // for messages
  std::uint64_t size_ = 0;             // bytes of whole lines
  std::unique_ptr<std::mutex> mutex_;  // guards size_, and that lines do not mix
};

}  // namespace shardfs
