// slow_filesystem: shows a directory as a FUSE file system whose every read takes a while, as a far server's would.
//
//   slow_filesystem DIRECTORY MOUNTPOINT DELAY_MS [ATTRIBUTE_SECONDS]
//
// Serves until it is unmounted, any number of reads at a time. The file ".counters" in its root says what was asked of
// it: "requests N bytes N most_at_once N". The kernel keeps attributes for ATTRIBUTE_SECONDS (default: an hour).
// While DIRECTORY has a file ".fail" that holds a number N, every Nth read fails with EIO.
// While it has a file ".hang", reads of the files whose names are the words in it hang, and with ATTRIBUTE_SECONDS 0
// their attributes, as those of a server that does not answer do; the word "*" stands for all files but hidden ones.
#define FUSE_USE_VERSION 314
#include <fcntl.h>
#include <fmt/core.h>
#include <fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

namespace shardfs::tools {
namespace {

constexpr std::string_view kCounters = "/.counters";
constexpr unsigned kMostRequests = 64;    // that the kernel sends at once
constexpr unsigned kMostHanging = 2048;  // reads that hang, which must not keep others from being sent

// One process serves one directory; the callbacks of libfuse have no other way to it.
struct State {
  std::string directory;
  std::chrono::milliseconds delay{0};
  int attribute_seconds = 3600;
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<int> now{0};
  std::atomic<int> most{0};
} state;

std::string PathOf(const char* path) { return state.directory + path; }

std::string Counters() {
  return fmt::format("requests {} bytes {} most_at_once {}\n", state.requests.load(), state.bytes.load(),
                     state.most.load());
}

void WaitWhileItHangs(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const auto hangs = [name] {
    std::ifstream file(PathOf("/.hang"));
    for (std::string word; file >> word;) {
      if (word == name || (word == "*" && !name.empty() && name.front() != '.')) return true;
    }
    return false;
  };
  while (hangs()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

int GetAttributes(const char* path, struct stat* attributes, fuse_file_info*) {
  if (state.attribute_seconds == 0) WaitWhileItHangs(path);
  if (path == kCounters) {
    attributes->st_mode = S_IFREG | 0444;
    attributes->st_nlink = 1;
    attributes->st_size = 4096;
    return 0;
  }
  return ::lstat(PathOf(path).c_str(), attributes) == 0 ? 0 : -errno;
}

int ReadDirectory(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(PathOf(path), error)) {
    fill(buffer, entry.path().filename().c_str(), nullptr, 0, fuse_fill_dir_flags{});
  }
  return -error.value();
}

int Open(const char* path, fuse_file_info* info) {
  if (path == kCounters) {
    info->direct_io = 1;
    return 0;
  }
  const int fd = ::open(PathOf(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  info->fh = static_cast<std::uint64_t>(fd);
  info->keep_cache = 1;
  return 0;
}

bool Fails(std::uint64_t request) {
  std::ifstream file(PathOf("/.fail"));
  std::uint64_t every = 0;
  return file >> every && every != 0 && request % every == 0;
}

int Read(const char* path, char* buffer, std::size_t size, off_t offset, fuse_file_info* info) {
  if (path == kCounters) {
    const std::string text = Counters();
    const auto begin = std::min(static_cast<std::size_t>(offset), text.size());
    const std::size_t count = std::min(size, text.size() - begin);
    std::memcpy(buffer, text.data() + begin, count);
    return static_cast<int>(count);
  }
  WaitWhileItHangs(path);
  const std::uint64_t request = ++state.requests;
  if (Fails(request)) return -EIO;
  const int now = ++state.now;
  for (int most = state.most; now > most && !state.most.compare_exchange_weak(most, now);) continue;
  std::this_thread::sleep_for(state.delay);
  const ssize_t count = ::pread(static_cast<int>(info->fh), buffer, size, offset);
  const int result = count < 0 ? -errno : static_cast<int>(count);
  if (count > 0) state.bytes += static_cast<std::uint64_t>(count);
  --state.now;
  return result;
}

int Release(const char* path, fuse_file_info* info) {
  if (path != kCounters) ::close(static_cast<int>(info->fh));
  return 0;
}

void* Start(fuse_conn_info* connection, fuse_config* config) {
  connection->max_background = kMostRequests + kMostHanging;
  connection->congestion_threshold = connection->max_background;
  config->entry_timeout = 3600;
  config->attr_timeout = state.attribute_seconds;
  return nullptr;
}

bool Parse(std::string_view text, int& number) {
  return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{} && number >= 0;
}

int Main(int argc, char** argv) {
  int delay = 0;
  if (argc < 4 || argc > 5 || !Parse(argv[3], delay) || (argc == 5 && !Parse(argv[4], state.attribute_seconds))) {
    fmt::print(stderr, "usage: slow_filesystem DIRECTORY MOUNTPOINT DELAY_MS [ATTRIBUTE_SECONDS]\n");
    return 2;
  }
  state.directory = std::filesystem::absolute(argv[1]).string();
  state.delay = std::chrono::milliseconds(delay);
  fuse_operations operations = {};
  operations.getattr = GetAttributes;
  operations.readdir = ReadDirectory;
  operations.open = Open;
  operations.read = Read;
  operations.release = Release;
  operations.init = Start;
  std::string threads = fmt::format("max_threads={},ro,fsname=slow_filesystem", kMostRequests + kMostHanging);
  std::array<std::string, 5> words = {argv[0], "-f", "-o", threads, argv[2]};
  std::array<char*, 5> arguments;
  std::transform(words.begin(), words.end(), arguments.begin(), [](std::string& word) { return word.data(); });
  return fuse_main(static_cast<int>(arguments.size()), arguments.data(), &operations, nullptr);
}

}  // namespace
}  // namespace shardfs::tools

int main(int argc, char** argv) { return shardfs::tools::Main(argc, argv); }
