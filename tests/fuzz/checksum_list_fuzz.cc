// A manifest of sha256sum(1), as `check --against` takes it. The input goes in as it is, and a second time with a
// digest in place of each '#', because no mutation hits 64 hexadecimal digits.
#include "fuzz/fuzz_target.h"
#include "shardfs/source/file_source.h"
#include "verify/checksum_list.h"

namespace {

using namespace shardfs;

bool IsDigest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

void Check(std::string_view text) {
  const auto list = ChecksumList::Parse(text, "fuzz");
  if (!list.ok()) {
    SHARDFS_FUZZ_CHECK(list.status().code() == StatusCode::kInvalidArgument);
    return;
  }
  SHARDFS_FUZZ_CHECK(!list->entries.empty());
  for (std::size_t i = 0; i < list->entries.size(); ++i) {
    const Checksum& entry = list->entries[i];
    SHARDFS_FUZZ_CHECK(IsDigest(entry.sha256) && IsPlainPath(entry.path));
    SHARDFS_FUZZ_CHECK(i == 0 || list->entries[i - 1].path < entry.path);
    SHARDFS_FUZZ_CHECK(list->Find(entry.path) == &entry);
  }
  const std::string saved = list->Serialize();
  const auto again = ChecksumList::Parse(saved, "saved");
  SHARDFS_FUZZ_CHECK(again.ok() && again->entries.size() == list->entries.size());
  for (std::size_t i = 0; i < list->entries.size(); ++i) {
    SHARDFS_FUZZ_CHECK(again->entries[i].path == list->entries[i].path);
    SHARDFS_FUZZ_CHECK(again->entries[i].sha256 == list->entries[i].sha256);
  }
  SHARDFS_FUZZ_CHECK(again->Serialize() == saved);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = testing::AsText(data, size);
  Check(input);
  std::string text;
  for (const char c : input) text += c == '#' ? std::string(63, 'a') + "F" : std::string(1, c);
  Check(text);
  return 0;
}
