// RecogniseContent: what a file is that is not what its name says, told by its first bytes: a git-lfs pointer, the page
// of a proxy, a file that torch wrote. Asked once a reader has refused the file, so that the refusal names the cause; a
// well-formed file of another kind may look like any of these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shardfs {

enum class ContentKind : std::uint8_t {
  kUnknown,
  kEmpty,
  kZeros,  // as far as was looked
  kGitLfsPointer,
  kHtml,
  kXml,
  kJson,
  kSafetensors,
  kZip,
  kPickle,
  kProtobuf,
  kGguf,
  kHdf5,
  kNumpy,
  kTar,
  kCompressed,  // gzip, bzip2, xz, zstd, 7z
  kUtf16,
  kText,  // a short plain text in a single line
};

// The caller reads this many bytes: they tell every kind apart (tar has its mark at byte 257).
inline constexpr std::size_t kContentKindBytes = 512;

// `first`: the first kContentKindBytes of the file, or all of it; more may be given.
ContentKind RecogniseContent(std::string_view first, std::uint64_t file_size);

// What the file is and what to do about it, to follow its name: "is a git-lfs pointer, ...". Empty for kUnknown.
std::string_view DescribeContentKind(ContentKind kind);

// Whether a file of that kind is something else than the one expected (kJson or kSafetensors). A short text where JSON
// is expected is none: it may be JSON with a mistake.
bool IsForeign(ContentKind kind, ContentKind expected);

}  // namespace shardfs
