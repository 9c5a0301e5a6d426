#include "shardfs/checkpoint/checked_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/quote_name.h"

namespace shardfs {
namespace {

std::string Count(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// `of_kind`: at least one, all of one kind.
std::string DescribeKind(std::span<const IndexDefect> of_kind) {
  const IndexDefect& first = of_kind.front();
  std::size_t tensors = 0;
  for (const IndexDefect& defect : of_kind) tensors += defect.tensors;
  const std::string counted = Count(tensors, "tensor");
  const std::string among = tensors == 1 ? "" : " among them";
  const std::string example = QuoteName(first.example);
  const std::string file = QuoteName(first.file);
  switch (first.kind) {
    case IndexDefect::Kind::kMissingFile:
      return fmt::format("names {} that {} missing ({}{})", Count(of_kind.size(), "file"),
                         of_kind.size() == 1 ? "is" : "are", file, of_kind.size() == 1 ? "" : " among them");
    case IndexDefect::Kind::kNoSuchTensor:
      return fmt::format("maps {} that no header has ({} to {}{})", counted, example, file, among);
    case IndexDefect::Kind::kOtherFile:
      return fmt::format("maps {} to files that do not hold them ({} to {}, but it is in {})", counted, example, file,
                         QuoteName(first.holder));
    case IndexDefect::Kind::kNotMapped:
      return fmt::format("does not map {} that the files hold ({} in {}{})", counted, example, file, among);
  }
  return {};
}

}  // namespace

bool CheckedIndex::Names(std::string_view file) const {
  return std::binary_search(files.begin(), files.end(), file, std::less<>());
}

const std::string* CheckedIndex::FileOfLost(std::string_view tensor) const {
  const auto at = std::lower_bound(lost.begin(), lost.end(), tensor,
                                   [](const Mapping& mapping, std::string_view key) { return mapping.tensor < key; });
  return at != lost.end() && at->tensor == tensor ? &files[at->file] : nullptr;
}

std::string DescribeIndexDefects(std::span<const IndexDefect> defects) {
  std::string text;
  while (!defects.empty()) {
    const auto end = std::find_if(defects.begin(), defects.end(),
                                  [&](const IndexDefect& defect) { return defect.kind != defects.front().kind; });
    const std::size_t count = static_cast<std::size_t>(end - defects.begin());
    if (!text.empty()) text += "; it ";
    text += DescribeKind(defects.first(count));
    defects = defects.subspan(count);
  }
  return text;
}

}  // namespace shardfs
