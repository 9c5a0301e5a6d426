#include "pipeline/view_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "pipeline/view_identity.h"
#include "shardfs/base/digest_time.h"

namespace shardfs {
namespace {

Result<std::int64_t> NewestTime(const BuiltView& built) {
  std::int64_t newest = 0;
  for (const auto& file : built.checkpoint->sources().files()) newest = std::max(newest, file->mtime_ns());
  for (const std::string& name : built.view.read_files) {
    SHARDFS_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, built.checkpoint->sources().OpenFile(name));
    newest = std::max(newest, file->mtime_ns());
  }
  for (const VirtualNode& node : built.view.tree->nodes()) {
    if (node.is_directory() || node.file->kind() != FileKind::kPassthrough) continue;
    node.file->VisitSources(0, node.file->size(),
                            [&newest](const SourceSpan& span) { newest = std::max(newest, span.source->mtime_ns()); });
  }
  return newest;
}

// The fields of the identity that decide bytes.
std::string DescribeOptions(const BuiltView& built, const RunIdentity& identity) {
  std::string text = fmt::format("rules\n{}\n", built.view.rules_version);
  for (const auto& [name, value] : identity) {
    if (name != kProgramField) text += fmt::format("{}\n{}\n", name, value);
  }
  return text;
}

Result<std::string> DescribeFiles(const VirtualTree& tree) {
  std::string text;
  for (NodeId id = 0; id < tree.size(); ++id) {
    const VirtualNode& node = tree.node(id);
    if (node.is_directory()) continue;
    text += fmt::format("{}\n{}\n", tree.PathOf(id), node.file->size());
    if (node.file->kind() != FileKind::kGenerated) continue;
    SHARDFS_ASSIGN_OR_RETURN(const FileDigest digest, ContentDigest(*node.file));
    text += digest.ToHex() + "\n";
  }
  return text;
}

}  // namespace

Result<std::int64_t> TimeOf(const BuiltView& built, const RunIdentity& identity) {
  SHARDFS_ASSIGN_OR_RETURN(const std::int64_t newest, NewestTime(built));
  SHARDFS_ASSIGN_OR_RETURN(const std::string files, DescribeFiles(*built.view.tree));
  const std::string text = DescribeOptions(built, identity) + files;
  return DigestTime(newest, FileDigest::OfBytes(std::as_bytes(std::span(text))));
}

Result<std::int64_t> TimeOf(const BuiltView& built) {
  SHARDFS_ASSIGN_OR_RETURN(const RunIdentity identity, IdentityOf(built));
  return TimeOf(built, identity);
}

}  // namespace shardfs
