#include "base/content_kind.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace shardfs {
namespace {

using std::string_view_literals::operator""sv;

struct Signature {
  std::string_view bytes;
  ContentKind kind;
};

constexpr std::array kSignatures = {
    Signature{"version https://git-lfs.github.com/spec/"sv, ContentKind::kGitLfsPointer},
    Signature{"version https://hawser.github.com/spec/"sv, ContentKind::kGitLfsPointer},  // git-lfs before 1.0
    Signature{"PK\3\4"sv, ContentKind::kZip},
    Signature{"PK\5\6"sv, ContentKind::kZip},
    Signature{"GGUF"sv, ContentKind::kGguf},
    Signature{"\x89HDF\r\n\x1a\n"sv, ContentKind::kHdf5},
    Signature{"\x93NUMPY"sv, ContentKind::kNumpy},
    Signature{"\x1f\x8b\x08"sv, ContentKind::kCompressed},
    Signature{"BZh"sv, ContentKind::kCompressed},
    Signature{"\xFD"
              "7zXZ\0"sv,
              ContentKind::kCompressed},
    Signature{"\x28\xB5\x2F\xFD"sv, ContentKind::kCompressed},
    Signature{"7z\xBC\xAF\x27\x1C"sv, ContentKind::kCompressed},
    Signature{"\xFF\xFE"sv, ContentKind::kUtf16},
    Signature{"\xFE\xFF"sv, ContentKind::kUtf16},
};

std::string_view WithoutLeadingSpace(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == text.npos ? std::string_view() : text.substr(begin);
}

bool BeginsWithWord(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(),
                    [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
}

// The little-endian length of a safetensors header, and its '{'.
bool IsSafetensors(std::string_view first, std::uint64_t file_size) {
  if (first.size() < 9 || first[8] != '{') return false;
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(first[i]);
  return length <= file_size;
}

// Protocols 2 to 5; torch's older files begin with one that holds a long. A small header's length has zeros there.
bool IsPickle(std::string_view first) {
  return first.size() > 3 && first[0] == '\x80' && first[1] >= 2 && first[1] <= 5 && first[2] != '\0';
}

// A message whose first field is a message that begins with a name, as MindSpore's .ckpt and a sentencepiece model are.
bool IsProtobuf(std::string_view first) {
  std::size_t at = 0;
  const auto length_after_tag = [&first, &at]() -> std::uint64_t {
    if (at >= first.size() || first[at++] != '\x0A') return 0;
    std::uint64_t length = 0;
    for (unsigned shift = 0; shift < 35 && at < first.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(first[at++]);
      length |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return length;
    }
    return 0;
  };
  const std::uint64_t message = length_after_tag();
  const std::uint64_t name = message == 0 ? 0 : length_after_tag();
  if (name == 0 || name >= message || name > first.size() - at) return false;
  const std::string_view text = first.substr(at, name);
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

bool IsPlainText(std::string_view first, std::uint64_t file_size) {
  if (first.size() != file_size || file_size > kContentKindBytes) return false;
  return std::all_of(first.begin(), first.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || c == '\n' || c == '\r' || c == '\t';
  });
}

}  // namespace

ContentKind RecogniseContent(std::string_view first, std::uint64_t file_size) {
  if (file_size == 0) return ContentKind::kEmpty;
  if (first.empty()) return ContentKind::kUnknown;
  first = first.substr(0, kContentKindBytes);
  if (first.find_first_not_of('\0') == first.npos) return ContentKind::kZeros;
  for (const Signature& signature : kSignatures) {
    if (first.starts_with(signature.bytes)) return signature.kind;
  }
  if (first.size() > 262 && first.substr(257, 5) == "ustar") return ContentKind::kTar;
  if (IsSafetensors(first, file_size)) return ContentKind::kSafetensors;
  if (IsPickle(first)) return ContentKind::kPickle;
  if (IsProtobuf(first)) return ContentKind::kProtobuf;
  const std::string_view text = WithoutLeadingSpace(first);
  for (const std::string_view word : {"<!doctype html"sv, "<html"sv, "<head"sv, "<body"sv}) {
    if (BeginsWithWord(text, word)) return ContentKind::kHtml;
  }
  if (text.starts_with("<?xml")) return ContentKind::kXml;
  if (text.starts_with('{')) return ContentKind::kJson;
  return IsPlainText(first, file_size) ? ContentKind::kText : ContentKind::kUnknown;
}

std::string_view DescribeContentKind(ContentKind kind) {
  switch (kind) {
    case ContentKind::kUnknown:
      return "";
    case ContentKind::kEmpty:
      return "is empty (0 bytes); download it again";
    case ContentKind::kZeros:
      return "begins with nothing but zeros, as a download that was not finished leaves it; download it again";
    case ContentKind::kGitLfsPointer:
      return "is a git-lfs pointer in place of the file; run `git lfs pull` in the clone that it comes from";
    case ContentKind::kHtml:
      return "is an HTML page, as a web server sends it in place of a file; download the file itself";
    case ContentKind::kXml:
      return "is an XML document, as an object store sends it in place of a file; download the file itself";
    case ContentKind::kJson:
      return "is JSON text";
    case ContentKind::kSafetensors:
      return "is a safetensors file";
    case ContentKind::kZip:
      return "is a zip archive, as torch.save writes it; convert it to safetensors, or unpack it";
    case ContentKind::kPickle:
      return "is a Python pickle, as an older torch.save writes it; convert it to safetensors";
    case ContentKind::kProtobuf:
      return "is a protobuf message, as MindSpore's .ckpt files are; convert it to safetensors";
    case ContentKind::kGguf:
      return "is a GGUF file; take the checkpoint in safetensors";
    case ContentKind::kHdf5:
      return "is an HDF5 file; take the checkpoint in safetensors";
    case ContentKind::kNumpy:
      return "is a NumPy file; convert it to safetensors";
    case ContentKind::kTar:
      return "is a tar archive; unpack it";
    case ContentKind::kCompressed:
      return "is compressed (gzip, bzip2, xz, zstd or 7z); unpack it";
    case ContentKind::kUtf16:
      return "is UTF-16 text; save it as UTF-8";
    case ContentKind::kText:
      return "is a short plain text, as a web server sends it in place of a file; download the file itself";
  }
  return "";
}

bool IsForeign(ContentKind kind, ContentKind expected) {
  if (kind == ContentKind::kText && expected == ContentKind::kJson) return false;
  return kind != ContentKind::kUnknown && kind != expected;
}

}  // namespace shardfs
