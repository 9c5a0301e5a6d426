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

Result<std::int64_t> NewestTime(const View& view) {
  std::int64_t newest = 0;
  for (const auto& file : view.checkpoint->files()) newest = std::max(newest, file->mtime_ns());
  for (const std::string& name : view.layout.read_files) {
    SHARDFS_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, view.checkpoint->OpenFile(name));
    newest = std::max(newest, file->mtime_ns());
  }
  for (const VirtualNode& node : view.layout.tree->nodes()) {
    if (node.is_directory() || node.file->kind() != FileKind::kPassthrough) continue;
    node.file->VisitSources(0, node.file->size(),
                            [&newest](const SourceSpan& span) { newest = std::max(newest, span.source->mtime_ns()); });
  }
  return newest;
}

// The fields of the identity that decide bytes. Its options of the layout are as they were typed, and a default that is
// spelled out is the same view: what the layout says of them takes their place.
std::string DescribeOptions(const View& view, const RunIdentity& identity) {
  std::string text = fmt::format("rules\n{}\n", view.layout.rules_version);
  for (const auto& [name, value] : identity) {
    if (name != kProgramField && !name.starts_with(kOptionPrefix)) text += fmt::format("{}\n{}\n", name, value);
  }
  for (const auto& [name, value] : view.layout.options) text += fmt::format("{}{}\n{}\n", kOptionPrefix, name, value);
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

Result<std::int64_t> TimeOf(const View& view, const RunIdentity& identity) {
  SHARDFS_ASSIGN_OR_RETURN(const std::int64_t newest, NewestTime(view));
  SHARDFS_ASSIGN_OR_RETURN(const std::string files, DescribeFiles(*view.layout.tree));
  const std::string text = DescribeOptions(view, identity) + files;
  return DigestTime(newest, FileDigest::OfBytes(std::as_bytes(std::span(text))));
}

Result<std::int64_t> TimeOf(const View& view) {
  SHARDFS_ASSIGN_OR_RETURN(const RunIdentity identity, IdentityOf(view));
  return TimeOf(view, identity);
}

}  // namespace shardfs
