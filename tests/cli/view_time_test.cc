// The times of a view's files: two views are told apart by size and whole second wherever their bytes differ, and the
// same view has the same times in every mount and in every directory that it is written to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"
#include "materialize/temporary_directory.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

struct FileState {
  std::uint64_t size = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  std::string bytes;  // empty for a directory

  auto Times() const { return std::pair(seconds, nanoseconds); }
};

// By path below `root`, which is ".".
std::map<std::string, FileState> StateOf(const std::string& root) {
  std::map<std::string, FileState> files;
  const auto add = [&](const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    FileState& file = files[path == fs::path(root) ? "." : fs::relative(path, root).string()];
    file = {S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0, info.st_mtim.tv_sec,
            info.st_mtim.tv_nsec, S_ISREG(info.st_mode) ? ReadFile(path) : ""};
  };
  add(root);
  for (const auto& entry : fs::recursive_directory_iterator(root)) add(entry.path());
  return files;
}

std::map<std::string, std::pair<std::int64_t, std::int64_t>> TimesOf(const std::string& root) {
  std::map<std::string, std::pair<std::int64_t, std::int64_t>> times;
  for (const auto& [path, file] : StateOf(root)) times[path] = file.Times();
  return times;
}

// Changes a file without a trace in its size and time.
void Edit(const std::string& path, const std::function<void(std::string&)>& change) {
  struct stat before {};
  ASSERT_EQ(::stat(path.c_str(), &before), 0) << path;
  std::string text = ReadFile(path);
  change(text);
  std::ofstream(path, std::ios::binary) << text;
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  ASSERT_EQ(fs::file_size(path), static_cast<std::uint64_t>(before.st_size));
}

class ViewTimeTest : public ::testing::Test {
 protected:
  ViewTimeTest() { UseSource("bf16_dp2tp2_mtp2ep2"); }

  void UseSource(const std::string& golden) {
    fs::remove_all(source_);
    fs::create_directories(source_);
    fs::copy(SHARDFS_TESTS_DIR "/golden/mindie/" + golden + "/source", source_);
    WriteFile(source_ + "/tokenizer.json", R"({"version": "1.0"})");
    // So that the times, of which two in a million are equal, are the same in each run of the test.
    for (const auto& entry : fs::directory_iterator(source_)) Set(entry.path().filename(), 1'700'000'000, 5);
  }

  void Set(const std::string& name, std::int64_t seconds, std::int64_t nanoseconds) const {
    const struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (source_ + "/" + name).c_str(), times, 0), 0) << name;
  }

  std::string Shard() const {
    for (const auto& entry : fs::directory_iterator(source_)) {
      if (entry.path().extension() == ".safetensors") return entry.path().filename();
    }
    return "";
  }

  std::vector<std::string> Command(const std::string& command, const std::string& place,
                                   const std::vector<std::string>& options) const {
    std::vector<std::string> arguments = {command, source_, place};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
  }

  // What a mount with these options shows.
  std::map<std::string, FileState> Mounted(const std::vector<std::string>& options) const {
    const MountableDirectory directory;
    const std::string point = directory.MakeDirectory("mount");
    const ProgramResult result = RunShardfs(Command("mount", point, options));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    if (result.exit_code != 0) return {};
    auto files = StateOf(point);
    EXPECT_EQ(RunShardfs({"umount", point}).exit_code, 0);
    return files;
  }

  void Materialize(const std::string& destination, std::vector<std::string> options,
                   const std::vector<std::string>& more = {}) const {
    options.insert(options.end(), more.begin(), more.end());
    const ProgramResult result = RunShardfs(Command("materialize", destination, options));
    ASSERT_EQ(result.exit_code, 0) << result.err;
  }

  // Adds what is shown of the source as it is now, with each of the options.
  void See(const std::string& what, const std::vector<std::vector<std::string>>& grid) {
    for (const auto& options : grid) {
      std::string name = what;
      for (const std::string& option : options) name += " " + option;
      seen_.emplace_back(name, Mounted(options));
    }
  }

  // Of every two views: a file of one path whose bytes differ differs in size or second. Returns how many do.
  std::size_t ExpectToldApart() const {
    std::size_t different = 0;
    for (std::size_t i = 0; i < seen_.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        for (const auto& [path, file] : seen_[i].second) {
          const auto other = seen_[j].second.find(path);
          if (other == seen_[j].second.end() || file.bytes == other->second.bytes) continue;
          ++different;
          EXPECT_NE(std::pair(file.size, file.seconds), std::pair(other->second.size, other->second.seconds))
              << path << " of " << seen_[i].first << " and of " << seen_[j].first;
        }
      }
    }
    return different;
  }

  TemporaryDirectory root_;
  const std::string source_ = root_ / "source";
  std::vector<std::pair<std::string, std::map<std::string, FileState>>> seen_;
};

const std::vector<std::string> kCut = {"--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep", "2"};

std::vector<std::string> With(std::vector<std::string> options, const std::vector<std::string>& more) {
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

std::vector<std::vector<std::string>> Grid() {
  std::vector<std::vector<std::string>> grid;
  for (const char* mtp : {"--mtp", "--no-mtp"}) {
    for (const char* fidelity : {"fidelity=sharder", "fidelity=loader"}) {
      for (const char* level : {"ep_level=1", "ep_level=2"}) {
        grid.push_back(With(kCut, {mtp, "-O", fidelity, "-O", level}));
        grid.push_back(With(grid.back(), {"-O", "enable_gating_dp=false"}));
      }
    }
    for (const auto& [tp, ep] : {std::pair("1", "4"), {"4", "1"}}) {
      grid.push_back({mtp, "--dp", "2", "--tp", "2", "--moe-tp", tp, "--moe-ep", ep, "-O", "fidelity=sharder"});
    }
    grid.push_back({mtp, "--dp", "1", "--tp", "4", "--moe-tp", "2", "--moe-ep", "2", "-O", "fidelity=sharder"});
    grid.push_back(With(kCut, {mtp, "-O", "fidelity=sharder", "--max-shard-size", "20000"}));
  }
  return grid;
}

TEST_F(ViewTimeTest, ViewsOfOtherOptionsAreToldApart) {
  SHARDFS_REQUIRE_FUSE();
  See("", Grid());
  EXPECT_GT(ExpectToldApart(), 500u) << "the grid has views that differ";
}

// What a copy by size and time would miss: texts and weights that were changed and look as before.
TEST_F(ViewTimeTest, ViewsOfAChangedSourceAreToldApart) {
  SHARDFS_REQUIRE_FUSE();
  const std::vector<std::vector<std::string>> options = {With(kCut, {"--mtp", "-O", "fidelity=sharder"})};
  See("first", options);
  Edit(source_ + "/config.json", [](std::string& text) {
    const auto epsilon = text.find("\"rms_norm_eps\"");
    ASSERT_NE(epsilon, text.npos);
    text[text.find_first_of("123456789", epsilon)] ^= 1;
  });
  See("another config.json", options);
  Edit(source_ + "/tokenizer.json", [](std::string& text) { text[text.find('1')] = '2'; });
  See("another tokenizer.json", options);
  Edit(source_ + "/" + Shard(), [](std::string& bytes) { bytes.back() ^= 1; });
  Set(Shard(), 1'700'000'000, 6);
  See("another shard of the same second", options);
  EXPECT_GE(ExpectToldApart(), 3u);
  std::set<std::int64_t> seconds;
  for (const auto& [name, files] : seen_) seconds.insert(files.at("tokenizer.json").seconds);
  EXPECT_EQ(seconds.size(), seen_.size());
}

TEST_F(ViewTimeTest, ViewsOfAnotherDescriptionAreToldApart) {
  SHARDFS_REQUIRE_FUSE();
  UseSource("w8a8_qmtp_dp2tp2_mtp2ep2");
  const std::vector<std::vector<std::string>> options = {With(kCut, {"--mtp", "-O", "fidelity=sharder"})};
  See("first", options);
  for (const auto& entry : fs::directory_iterator(source_)) {
    if (entry.path().filename().string().find("description") == std::string::npos) continue;
    Edit(entry.path(), [](std::string& text) {  // of white space, which the view does not show
      const auto place = text.find("\n");
      ASSERT_NE(place, text.npos);
      text[place] = ' ';
    });
  }
  See("another description", options);
  EXPECT_NE(seen_[0].second.at("config.json").seconds, seen_[1].second.at("config.json").seconds);
  ExpectToldApart();
}

TEST_F(ViewTimeTest, TheSameViewHasTheSameTimesEverywhere) {
  SHARDFS_REQUIRE_FUSE();
  const std::vector<std::string> options = With(kCut, {"--mtp"});
  const auto first = Mounted(options);
  for (const auto& [path, file] : first) EXPECT_EQ(file.Times(), first.at(".").Times()) << path;
  // Owner, modes and a default that is spelled out decide no byte.
  const auto second = Mounted(With(options, {"--uid", "1001", "--file-mode", "0400", "-O", "ep_level=1", "--sp", "1"}));
  EXPECT_EQ(second.at(".").Times(), first.at(".").Times());

  Materialize(root_ / "out", options);
  Materialize(root_ / "part", options, {"--ranks", "1"});
  fs::create_directory(root_ / "again");
  Materialize(root_ / "again", options);
  const auto written = TimesOf(root_ / "out");
  EXPECT_EQ(TimesOf(root_ / "again"), written);
  EXPECT_EQ(written.size(), first.size() + 2) << "and the manifest with its marker";
  for (const auto& [path, file] : first) EXPECT_EQ(written.at(path), file.Times()) << path;
  const auto part = TimesOf(root_ / "part");
  EXPECT_EQ(part.at("config.json"), first.at("config.json").Times());
  EXPECT_NE(part.at(".shardfs-manifest.json").first, written.at(".shardfs-manifest.json").first);

  // Of what was touched, or lost a file, since.
  for (const auto& [path, times] : written)
    fs::last_write_time(root_ / ("out/" + path), fs::file_time_type::clock::now());
  Materialize(root_ / "out", options);
  EXPECT_EQ(TimesOf(root_ / "out"), written);
  fs::remove(root_ / "out/config.json");
  Materialize(root_ / "out", options);
  EXPECT_EQ(TimesOf(root_ / "out"), written);
}

// The time is the newest of the source's, less up to a million seconds; where that would be before 1970, more.
TEST_F(ViewTimeTest, TheTimeIsThatOfTheSourceOrBefore) {
  SHARDFS_REQUIRE_FUSE();
  const std::vector<std::string> options = With(kCut, {"--mtp"});
  for (const std::int64_t newest : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1'600'000'000}}) {
    for (const auto& entry : fs::directory_iterator(source_)) Set(entry.path().filename(), newest, 0);
    const std::int64_t seconds = Mounted(options).at("config.json").seconds;
    EXPECT_GE(seconds, newest < 1'000'000 ? newest : newest - 999'999);
    EXPECT_LE(seconds, newest < 1'000'000 ? newest + 999'999 : newest);
  }
  Set("tokenizer.json", 1'700'000'000, 0);
  EXPECT_GT(Mounted(options).at("config.json").seconds, 1'690'000'000);
}

}  // namespace
}  // namespace shardfs
