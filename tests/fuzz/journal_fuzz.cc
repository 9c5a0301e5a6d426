// The journal of a materialize run. The input is what is behind the digests of its lines, which no mutation would hit:
// each line gets its own. The bytes as they are go in as well.
#include "fuzz/fuzz_target.h"
#include "materialize/journal.h"

namespace {

using namespace shardfs;

void Check(std::string_view text) {
  const auto contents = ParseJournal(text, "fuzz");
  if (!contents.ok()) {
    const StatusCode code = contents.status().code();
    SHARDFS_FUZZ_CHECK(code == StatusCode::kCorruption || code == StatusCode::kNotSupported);
    return;
  }
  SHARDFS_FUZZ_CHECK(contents->valid_bytes <= text.size());
  for (const std::string& path : contents->directories) SHARDFS_FUZZ_CHECK(IsSafeRelativePath(path));
  for (const std::string& path : contents->files) SHARDFS_FUZZ_CHECK(IsSafeRelativePath(path));
  for (const auto& [path, file] : contents->done) SHARDFS_FUZZ_CHECK(IsSafeRelativePath(path) && file.path == path);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = testing::AsText(data, size);
  Check(input);
  std::string text;
  for (std::size_t begin = 0; begin < input.size();) {
    const std::size_t end = std::min(input.find('\n', begin), input.size());
    const std::string_view line = input.substr(begin, end - begin);
    text += FileDigest::OfBytes(std::as_bytes(std::span(line))).ToHex() + " ";
    text += line;
    text += '\n';
    begin = end + 1;
  }
  Check(text);
  return 0;
}
