#include "shardfs/verify/verifier.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <utility>

#include "verify/verifier_comparison.h"
#include "verify/verifier_directory.h"
#include "verify/verifier_match.h"
#include "verify/verifier_samples.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

Result<FileDescriptor> OpenDirectory(const std::string& path) {
  FileDescriptor root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.valid()) return root;
  const int error = errno;
  if (error == ENOTDIR || error == ENOENT) {
    return Status::InvalidArgument(fmt::format("{} {}; give the directory to compare with the view", QuoteName(path),
                                               error == ENOENT ? "does not exist" : "is not a directory"));
  }
  return Status::FromErrno(error, fmt::format("cannot open {}", QuoteName(path)));
}

// Names in the longest path of the view.
std::size_t DepthOf(const PathIndex& paths) {
  std::size_t depth = 0;
  for (const auto& [path, id] : paths) {
    depth = std::max(depth, static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) + 1);
  }
  return depth;
}

// Moves missing files that stand elsewhere, going by samples, from `matching`'s names to `files`.
Status PairRenamed(const Directory& directory, Matching& matching, std::vector<ComparedFile>& files) {
  std::vector<ExpectedContent> expected;
  std::vector<FoundContent> found;
  for (const UnpairedEntry& entry : matching.missing) {
    if (entry.is_file) expected.push_back({entry.path, entry.file});
  }
  for (const UnpairedEntry& entry : matching.extra) {
    if (entry.is_file) found.push_back({entry.path, entry.size});
  }
  SHARDFS_ASSIGN_OR_RETURN(const auto pairs, PairBySamples(directory, expected, found));
  for (const LikelyPair& pair : pairs) {
    const std::string& path = expected[pair.expected].path;
    const std::string& found_path = found[pair.found].path;
    files.push_back({path, found_path, expected[pair.expected].file, found[pair.found].size});
    std::erase_if(matching.missing, [&path](const UnpairedEntry& entry) { return entry.path == path; });
    std::erase_if(matching.extra, [&found_path](const UnpairedEntry& entry) { return entry.path == found_path; });
  }
  return Status::Ok();
}

// Files that hold what another one should: two that were exchanged, or folders that were. Says so in both.
Status AddWhereContentBelongs(const Directory& directory, const VerifyOptions& options, std::stop_token cancel,
                              std::span<const ComparedFile> files,
                              std::vector<std::optional<Difference>>& differences) {
  std::vector<ExpectedContent> expected;
  std::vector<FoundContent> found;
  std::vector<std::size_t> file_of;  // indices into `files`, the same for both
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!differences[i]) continue;
    expected.push_back({files[i].path, files[i].file});
    found.push_back({files[i].found_path, files[i].found_size});
    file_of.push_back(i);
  }
  SHARDFS_ASSIGN_OR_RETURN(const auto pairs, PairBySamples(directory, expected, found));
  std::vector<ComparedFile> exchanged;
  for (const LikelyPair& pair : pairs) {
    exchanged.push_back(
        {expected[pair.expected].path, found[pair.found].path, expected[pair.expected].file, found[pair.found].size});
  }
  VerifyProgress unseen;
  Comparison comparison(exchanged, directory, options, unseen);
  SHARDFS_RETURN_IF_ERROR(comparison.Run(cancel));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (comparison.difference(i)) continue;
    differences[file_of[pairs[i].found]]->message +=
        fmt::format("; the file holds what {} should", QuoteName(exchanged[i].path));
  }
  return Status::Ok();
}

}  // namespace

std::string_view DifferenceKindName(DifferenceKind kind) {
  switch (kind) {
    case DifferenceKind::kMissing:
      return "missing";
    case DifferenceKind::kExtra:
      return "extra";
    case DifferenceKind::kRenamed:
      return "renamed";
    case DifferenceKind::kType:
      return "type";
    case DifferenceKind::kSize:
      return "size";
    case DifferenceKind::kHeader:
      return "header";
    case DifferenceKind::kValue:
      return "value";
    case DifferenceKind::kBytes:
      return "bytes";
    case DifferenceKind::kJson:
      return "json";
    case DifferenceKind::kDigest:
      return "digest";
  }
  return "unknown";
}

Result<Verifier> Verifier::Create(std::shared_ptr<const VirtualTree> tree, const std::string& directory,
                                  VerifyOptions options) {
  Verifier verifier;
  verifier.directory_ = directory;
  SHARDFS_ASSIGN_OR_RETURN(verifier.root_, OpenDirectory(directory));
  const PathIndex paths = IndexPaths(*tree);
  SHARDFS_ASSIGN_OR_RETURN(const std::vector<FoundEntry> found,
                           FindEntries(verifier.root_.get(), directory, DepthOf(paths),
                                       [&paths](const std::string& path) { return paths.contains(path); }));
  Matching matching = MatchEntries(*tree, paths, options.ranks, found);
  verifier.files_ = std::move(matching.files);
  verifier.paired_ = verifier.files_.size();
  SHARDFS_RETURN_IF_ERROR(PairRenamed({verifier.root_.get(), verifier.directory_}, matching, verifier.files_));
  for (const ComparedFile& file : verifier.files_) verifier.total_bytes_ += file.file->size();
  verifier.missing_ = std::move(matching.missing);
  verifier.extra_ = std::move(matching.extra);
  verifier.type_differences_ = std::move(matching.wrong_types);
  verifier.tree_ = std::move(tree);
  verifier.options_ = std::move(options);
  return verifier;
}

Result<VerifyReport> Verifier::Run(VerifyProgress& progress, std::stop_token cancel) const {
  const auto start = std::chrono::steady_clock::now();
  const Directory directory{root_.get(), directory_};
  Comparison comparison(files_, directory, options_, progress);
  SHARDFS_RETURN_IF_ERROR(comparison.Run(cancel));

  VerifyReport report;
  report.files_compared = files_.size();
  report.bytes_compared = comparison.bytes_compared();
  report.differences = type_differences_;
  std::vector<std::optional<Difference>> contents(paired_);
  for (std::size_t i = 0; i < paired_; ++i) contents[i] = comparison.difference(i);
  const auto paired = std::span(files_).first(paired_);
  if (!options_.quick) SHARDFS_RETURN_IF_ERROR(AddWhereContentBelongs(directory, options_, cancel, paired, contents));
  for (std::size_t i = 0; i < paired_; ++i) {
    if (!contents[i]) continue;
    contents[i]->path = files_[i].path;
    report.differences.push_back(std::move(*contents[i]));
  }

  std::vector<UnpairedEntry> missing = missing_;
  std::vector<UnpairedEntry> extra = extra_;
  std::vector<Rename> renames;
  for (std::size_t i = paired_; i < files_.size(); ++i) {
    const ComparedFile& file = files_[i];
    if (!comparison.difference(i)) {
      renames.push_back({file.path, file.found_path});
    } else {  // alike in samples only
      missing.push_back({file.path, file.file, true, file.file->size()});
      extra.push_back({file.found_path, nullptr, true, file.found_size});
    }
  }
  for (Difference& difference : DescribeNames(missing, extra, renames)) {
    report.differences.push_back(std::move(difference));
  }
  std::stable_sort(report.differences.begin(), report.differences.end(),
                   [](const Difference& a, const Difference& b) { return a.path < b.path; });
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace shardfs
