#include "verify/verifier_samples.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>

#include "verify/verifier_file.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kSamples = 16;
constexpr std::uint64_t kSampleBytes = 4096;

// A hash of samples from the first byte to the last; `read(begin, end)` gives the bytes.
template <typename Read>
Result<std::size_t> HashSamples(std::uint64_t size, Read&& read) {
  std::string samples;
  if (size <= kSamples * kSampleBytes) {
    SHARDFS_ASSIGN_OR_RETURN(samples, read(0, size));
  } else {
    const std::uint64_t last = size - kSampleBytes;
    for (std::uint64_t i = 0; i < kSamples; ++i) {
      const std::uint64_t begin = last / (kSamples - 1) * i + last % (kSamples - 1) * i / (kSamples - 1);
      SHARDFS_ASSIGN_OR_RETURN(const std::string sample, read(begin, begin + kSampleBytes));
      samples += sample;
    }
  }
  return std::hash<std::string>{}(samples);
}

Result<std::size_t> HashExpected(const ExpectedContent& content) {
  return HashSamples(content.file->size(), [&content](std::uint64_t begin, std::uint64_t end) -> Result<std::string> {
    std::string text(end - begin, '\0');
    const Status status = content.file->ReadAt(begin, std::as_writable_bytes(std::span(text)));
    if (!status.ok()) return status.WithContext("the view's '" + content.path + "'");
    return text;
  });
}

Result<std::size_t> HashFound(const Directory& directory, const FoundContent& content) {
  SHARDFS_ASSIGN_OR_RETURN(const FoundFile file,
                           FoundFile::Open(directory.fd, directory.path, content.path, content.size));
  return HashSamples(content.size, [&file](std::uint64_t begin, std::uint64_t end) -> Result<std::string> {
    std::string text(end - begin, '\0');
    SHARDFS_RETURN_IF_ERROR(file.ReadAt(begin, std::as_writable_bytes(std::span(text))));
    return text;
  });
}

// How alike two paths are: 2 for the same base name, 1 for the same folder.
int Likeness(std::string_view a, std::string_view b) {
  const auto split = [](std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::pair(std::string_view{}, path)
                                           : std::pair(path.substr(0, slash), path.substr(slash + 1));
  };
  const auto [folder_a, name_a] = split(a);
  const auto [folder_b, name_b] = split(b);
  return (name_a == name_b ? 2 : 0) + (folder_a == folder_b ? 1 : 0);
}

using Group = std::pair<std::vector<std::size_t>, std::vector<std::size_t>>;  // expected, found

// Takes pairs out of a group of files that are all alike, the likeliest first.
void PairGroup(const std::vector<ExpectedContent>& expected, const std::vector<FoundContent>& found, Group group,
               std::vector<LikelyPair>& pairs) {
  for (const int likeness : {2, 1, 0}) {
    std::erase_if(group.second, [&](std::size_t candidate) {
      const auto partner = std::find_if(group.first.begin(), group.first.end(), [&](std::size_t wanted) {
        const std::string& path = expected[wanted].path;
        return path != found[candidate].path && Likeness(path, found[candidate].path) == likeness;
      });
      if (partner == group.first.end()) return false;
      pairs.push_back({*partner, candidate});
      group.first.erase(partner);
      return true;
    });
  }
}

}  // namespace

Result<std::vector<LikelyPair>> PairBySamples(const Directory& directory, const std::vector<ExpectedContent>& expected,
                                              const std::vector<FoundContent>& found) {
  std::map<std::uint64_t, Group> by_size;
  for (std::size_t i = 0; i < expected.size(); ++i) by_size[expected[i].file->size()].first.push_back(i);
  for (std::size_t i = 0; i < found.size(); ++i) by_size[found[i].size].second.push_back(i);
  std::vector<LikelyPair> pairs;
  for (const auto& [size, same_size] : by_size) {
    if (size == 0 || same_size.first.empty() || same_size.second.empty()) continue;
    std::map<std::size_t, Group> by_hash;
    for (const std::size_t i : same_size.first) {
      SHARDFS_ASSIGN_OR_RETURN(const std::size_t hash, HashExpected(expected[i]));
      by_hash[hash].first.push_back(i);
    }
    for (const std::size_t i : same_size.second) {
      SHARDFS_ASSIGN_OR_RETURN(const std::size_t hash, HashFound(directory, found[i]));
      by_hash[hash].second.push_back(i);
    }
    for (auto& [hash, group] : by_hash) PairGroup(expected, found, std::move(group), pairs);
  }
  return pairs;
}

}  // namespace shardfs
