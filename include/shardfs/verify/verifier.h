// Verifier: compares a directory with what a view would show: weight_sharder's output, the result of Materialize, or a
// mount.
//
// What is compared: the names of all files and folders (names that begin with '.' do not count in the directory,
// unless the view has them), sizes, and bytes. Of each file that is not equal the first difference is reported, in
// terms of tensors where the file holds some. Modes, owners and times are not compared. A symbolic link counts as what
// it points to.
//
// Memory: 2 MiB a thread, and the header of a file whose headers differ, or a JSON file. Both sides are read once, but
// for files that seem to have been exchanged or renamed; a file whose header or size is wrong is not read further.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/parallel/rank_set.h"
#include "shardfs/tensor/shape.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

enum class DifferenceKind : std::uint8_t {
  kMissing,  // the view has this file or folder, the directory does not
  kExtra,    // the directory has it, the view does not
  kRenamed,  // missing under the view's name, and found with the same content under another
  kType,     // a folder where a file is expected, or the other way round
  kSize,     // of a file
  kHeader,   // a safetensors header: names, dtypes, shapes, positions, metadata
  kValue,    // an element of a tensor
  kBytes,    // a byte of another file
  kJson,     // the meaning of a JSON file that is compared without regard to order
  kDigest,   // of a file that is compared with a manifest
};

std::string_view DifferenceKindName(DifferenceKind kind);  // "missing", "value"

struct Difference {
  std::string path{};  // relative; the view's name, except for kExtra
  DifferenceKind kind = DifferenceKind::kBytes;
  std::string tensor{};          // kValue, and kHeader and kSize where one tensor can be named; else empty
  std::optional<Shape> index{};  // kValue: of the element, one number an axis
  std::string expected{};        // what the view has, in words of the kind: a value, a size, a dtype, a name
  std::string actual{};          // what the directory has
  std::string message{};         // all of that as a sentence, without the path; names in it are quoted and harmless
};

struct VerifyReport {
  std::uint64_t files_compared = 0;  // of the view and found, renamed ones included
  std::uint64_t bytes_compared = 0;  // of each side
  double seconds = 0;
  std::vector<Difference> differences;  // ascending by path

  bool equal() const { return differences.empty(); }
};

struct VerifyOptions {
  // Only what these ranks load is expected; other names of the view are neither expected nor extra. Everything when
  // not given.
  std::optional<RankSet> ranks;
  bool quick = false;    // names, sizes, headers and order_insensitive_json only
  unsigned threads = 0;  // 0: one per CPU that the process may use
  // Names (without folder) of generated JSON files that are compared without regard to the order of the members of
  // objects and of the items of arrays, and to white space.
  std::set<std::string> order_insensitive_json;
  // Members of these documents' outermost objects that the directory need not have; one that it has must be equal.
  std::set<std::string> optional_json_keys;
  // Members of JSON files that need not agree, as paths of keys: "model_sharded/." is the member "." of
  // "model_sharded".
  std::set<std::string> free_json_members;
};

// How far a run is, for a thread that reports it. Written with relaxed atomics.
struct VerifyProgress {
  static constexpr std::uint32_t kNoFile = std::numeric_limits<std::uint32_t>::max();

  std::atomic<std::uint64_t> bytes_done{0};  // of the files' sizes; those that need not be read any further included
  std::atomic<std::uint64_t> files_done{0};
  std::atomic<std::uint32_t> current_file{kNoFile};  // the one started last, as an index of Verifier::files()
};

// A file that both sides have.
struct ComparedFile {
  std::string path;                   // the view's
  std::string found_path;             // the directory's
  const VirtualFile* file = nullptr;  // owned by the view
  std::uint64_t found_size = 0;       // bytes
};

// A name that only one side has.
struct UnpairedEntry {
  std::string path;
  const VirtualFile* file = nullptr;  // of the view; null for a folder, and for what the directory has
  bool is_file = false;               // or anything else that is no folder
  std::uint64_t size = 0;             // bytes, of a regular file
};

// Immutable after construction; Run may be called several times. Ownership: keeps the view alive.
class Verifier {
 public:
  // Lists the directory and pairs it with the view; samples files that have no partner, to find renamed ones.
  // kInvalidArgument when `directory` is not a directory; an error that names what could not be listed or read.
  static Result<Verifier> Create(std::shared_ptr<const VirtualTree> tree, const std::string& directory,
                                 VerifyOptions options);

  const std::vector<ComparedFile>& files() const { return files_; }
  std::uint64_t total_bytes() const { return total_bytes_; }  // of the view's side of files()

  // Differences are a result; an error is returned when either side cannot be read, naming the file, or kCancelled.
  // `cancel` is noticed within 1 MiB per thread.
  Result<VerifyReport> Run(VerifyProgress& progress, std::stop_token cancel) const;

 private:
  Verifier() = default;

  std::shared_ptr<const VirtualTree> tree_;
  VerifyOptions options_;
  std::string directory_;
  FileDescriptor root_;
  std::vector<ComparedFile> files_;  // the first paired_ have one name on both sides, the others may be renamed
  std::size_t paired_ = 0;
  std::vector<UnpairedEntry> missing_;  // without those in files_
  std::vector<UnpairedEntry> extra_;    // without those in files_
  std::vector<Difference> type_differences_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace shardfs
