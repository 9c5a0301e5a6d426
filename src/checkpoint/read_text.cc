#include "checkpoint/read_text.h"

#include <fmt/format.h>

#include <memory>
#include <new>
#include <span>

#include "base/quote_name.h"
#include "checkpoint/recognise_source.h"

namespace shardfs {
namespace {

Result<std::string> ReadWhole(const FileSource& file, std::uint64_t limit) {
  if (file.size() > limit) {
    const ContentKind kind = RecogniseSource(file);
    if (IsForeign(kind, ContentKind::kJson)) {
      return Status::Corruption(fmt::format("{} {}", QuoteName(file.name()), DescribeContentKind(kind)));
    }
    return Status::NotSupported(
        fmt::format("{} has {} bytes, more than {}", QuoteName(file.name()), file.size(), limit));
  }
  try {
    std::string text(file.size(), '\0');
    SHARDFS_RETURN_IF_ERROR(file.ReadAt(0, std::as_writable_bytes(std::span(text))));
    return text;
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(
        fmt::format("no memory for the {} bytes of {}", file.size(), QuoteName(file.name())));
  }
}

}  // namespace

Result<std::string> ReadText(const SourceRoot& root, const std::string& path, std::uint64_t limit) {
  SHARDFS_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, root.OpenFile(path));
  return ReadWhole(*file, limit);
}

Result<std::string> ReadText(const SourceSet& sources, const std::string& name, std::uint64_t limit) {
  SHARDFS_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, sources.OpenFile(name));
  return ReadWhole(*file, limit);
}

}  // namespace shardfs
