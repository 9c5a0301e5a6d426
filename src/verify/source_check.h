// SourceCheck: is a checkpoint whole, and is it the one that was published? Every weights file of a source opened by
// itself and read once: its digest, runs of zeros where bytes have been lost, NaN and infinities.
//
// A file that cannot be opened or read is a finding, and the others are checked nevertheless.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/ckpt_options.h"
#include "checkpoint/weights_file.h"
#include "shardfs/base/result.h"
#include "shardfs/source/source_set.h"
#include "shardfs/verify/verifier.h"
#include "verify/checksum_list.h"
#include "verify/file_pass.h"
#include "verify/published_digest.h"

namespace shardfs {

struct SourceFinding {
  enum class Kind : std::uint8_t {
    kUnreadable,  // the file cannot be opened, or is no weights file, or is shorter or longer than its header says
    kIncomplete,  // the source as a whole: something that belongs to it is not there
    kDigest,      // the file is not the one of the manifest, or not the published one
    kMissing,     // the manifest has the file, the source does not
    kExtra,       // the source has the weights file, the manifest does not
    kZeros,       // bytes of zeros where a tensor should have values
    kNan,         // NaN in a tensor, and infinities beside them
    kInfinity,    // infinities in a tensor
  };

  std::string path{};  // relative; empty for the source as a whole
  Kind kind = Kind::kUnreadable;
  std::string tensor{};        // kZeros (the first one), kNan, kInfinity
  std::uint64_t offset = 0;    // kZeros: of the first run, in the file
  std::uint64_t bytes = 0;     // kZeros: of all runs that begin in that tensor
  std::uint64_t nan = 0;       // kNan
  std::uint64_t infinite = 0;  // kNan, kInfinity
  std::string expected{};      // kDigest, kMissing
  std::string actual{};        // kDigest
  std::string message{};       // all of that as a sentence, without the path
};

std::string_view SourceFindingName(SourceFinding::Kind kind);  // "unreadable", "nan"

// Returns whether it says that the source cannot be used, and not only that it differs.
bool IsBroken(SourceFinding::Kind kind);

struct SourceCheckOptions {
  CkptOptions ckpt;
  std::optional<ChecksumList> against;  // compared instead of what the download says
  std::string against_name{};           // of the manifest, for messages
  bool wants_checksums = false;         // the SHA-256 of every file, for a manifest
  std::optional<std::set<std::string>>
      weights;           // files that the reader counts; nothing where it has refused the source
  unsigned threads = 0;  // 0: one per CPU that the process may use
};

struct SourceCheckReport {
  std::uint64_t files = 0;  // all of the source
  std::uint64_t weights_files = 0;
  std::uint64_t tensors = 0;  // of files that could be opened
  std::uint64_t bytes_read = 0;
  std::uint64_t digests = 0;        // compared
  std::uint64_t equal_digests = 0;  // of these
  double seconds = 0;
  std::vector<SourceFinding> findings;  // ascending by path
  std::vector<std::string> notes;       // what is as it may be, and good to know
  ChecksumList checksums;               // where they were wanted; of all files that could be read
};

// Immutable after construction. Ownership: keeps the root.
class SourceCheck {
 public:
  struct File {
    std::string path;  // below the root
    std::uint64_t size = 0;
    bool is_weights = false;
    bool is_counted = true;  // by the reader; what cannot be opened of others is no finding
    Status problem{};        // why it cannot be opened
    std::optional<WeightsFile> weights{};
    std::optional<ExpectedDigest> expected{};
    FileLayout layout{};  // of the tensors in it
  };

  // Lists and opens the files, in parallel. An error where the root cannot be listed.
  static Result<SourceCheck> Create(std::shared_ptr<const SourceRoot> root, SourceCheckOptions options);

  const std::vector<File>& files() const { return files_; }  // ascending by path
  std::uint64_t total_bytes() const;                         // that Run reads

  // `cancel` is noticed within 4 MiB a thread: kCancelled. `progress` counts files() as they are done.
  Result<SourceCheckReport> Run(VerifyProgress& progress, const std::stop_token& cancel) const;

 private:
  SourceCheck() = default;

  // A piece of work: a file or a part of it, or one tensor.
  struct Task {
    std::size_t file = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::optional<std::uint32_t> tensor{};  // of FileLayout::by_plan; begin and end are of the tensor then
  };
  // What the tasks of one file have found.
  struct Found {
    Status problem;
    PassResult pass;
    std::map<std::uint32_t, std::vector<ZeroRun>> zeros;  // of tensors that lie in no file as they are
  };

  Status List();
  void Open();
  void Expect();  // says which digest each file should have
  void MakeTasks();
  std::vector<HashKind> HashesOf(const File& file) const;
  Result<PassResult> RunTask(const Task& task, const std::function<void(std::uint64_t)>& progress,
                             const std::stop_token& stop) const;
  std::vector<Found> Gather(std::vector<std::optional<Result<PassResult>>>& results) const;
  SourceCheckReport Report(const std::vector<Found>& found) const;

  std::shared_ptr<const SourceRoot> root_;
  SourceCheckOptions options_;
  std::vector<File> files_;
  std::vector<Task> tasks_;  // the largest that cannot be parted first
};

}  // namespace shardfs
