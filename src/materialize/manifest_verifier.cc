#include "shardfs/materialize/manifest_verifier.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>
#include <utility>

#include "materialize/digest_check.h"
#include "verify/verifier_directory.h"

namespace shardfs {
namespace {

std::size_t DepthOf(const std::string& path) {
  return 1 + static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

std::string ParentOf(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

}  // namespace

Result<ManifestVerifier> ManifestVerifier::Create(const std::string& directory) {
  ManifestVerifier verifier;
  verifier.directory_ = directory;
  verifier.root_ = FileDescriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!verifier.root_.valid()) {
    return Status::InvalidArgument(
        std::string(Status::FromErrno(errno, fmt::format("cannot open the directory '{}'", directory)).message()));
  }
  auto manifest = Manifest::Read(verifier.root_.get(), directory);
  if (!manifest.ok()) {
    if (manifest.status().code() != StatusCode::kNotFound) return manifest.status();
    return Status::InvalidArgument(
        fmt::format("{}; to compare a directory with a view, give SOURCE and DIR", manifest.status().message()));
  }
  verifier.manifest_ = *std::move(manifest);
  return verifier;
}

std::uint64_t ManifestVerifier::total_bytes() const {
  std::uint64_t bytes = 0;
  for (const ManifestFile& file : manifest_.files) bytes += file.size;
  return bytes;
}

Status ManifestVerifier::AddUnknown(VerifyReport& report) const {
  std::set<std::string> known;
  std::size_t depth = 1;
  for (const ManifestFile& file : manifest_.files) {
    known.insert(file.path);
    depth = std::max(depth, DepthOf(file.path));
  }
  for (const std::string& path : manifest_.directories) {
    known.insert(path);
    depth = std::max(depth, DepthOf(path) + 1);
    struct stat info {};
    if (::fstatat(root_.get(), path.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      report.differences.push_back({.path = path, .kind = DifferenceKind::kMissing, .message = "folder missing"});
    } else if (!S_ISDIR(info.st_mode)) {
      report.differences.push_back({.path = path, .kind = DifferenceKind::kType, .message = "not a folder"});
    }
  }
  SHARDFS_ASSIGN_OR_RETURN(
      const auto found,
      FindEntries(root_.get(), directory_, depth, [&known](const std::string& path) { return known.contains(path); }));
  std::set<std::string> extra;
  for (const FoundEntry& entry : found) {
    if (known.contains(entry.path)) continue;
    extra.insert(entry.path);
    if (extra.contains(ParentOf(entry.path)) && ParentOf(entry.path) != entry.path) continue;
    report.differences.push_back(
        {.path = entry.path, .kind = DifferenceKind::kExtra, .message = "not in the manifest"});
  }
  return Status::Ok();
}

Result<VerifyReport> ManifestVerifier::Run(bool quick, unsigned threads, VerifyProgress& progress,
                                           std::stop_token cancel) const {
  const auto start = std::chrono::steady_clock::now();
  VerifyReport report;
  SHARDFS_RETURN_IF_ERROR(AddUnknown(report));
  SHARDFS_ASSIGN_OR_RETURN(auto differences, CheckDigests(root_.get(), directory_, manifest_.files, quick, threads,
                                                          {&progress.bytes_done, &progress.files_done}, cancel));
  for (std::size_t i = 0; i < differences.size(); ++i) {
    const bool missing = differences[i] && differences[i]->kind == DifferenceKind::kMissing;
    if (!missing) ++report.files_compared;
    if (!quick && (!differences[i] || differences[i]->kind == DifferenceKind::kDigest)) {
      report.bytes_compared += manifest_.files[i].size;
    }
    if (differences[i]) report.differences.push_back(std::move(*differences[i]));
  }
  std::stable_sort(report.differences.begin(), report.differences.end(),
                   [](const Difference& a, const Difference& b) { return a.path < b.path; });
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace shardfs
