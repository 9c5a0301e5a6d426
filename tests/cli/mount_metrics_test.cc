// --metrics-listen and --metrics-textfile of a mount, from its beginning to its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/prometheus_parser.h"
#include "fuse/temporary_mount.h"
#include "materialize/temporary_directory.h"
#include "service/metrics_textfile.h"
#include "shardfs/base/file_descriptor.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(MetricsFileNameTest, IsOfOneMountPoint) {
  EXPECT_EQ(MetricsFileName("/mnt/r1"), "shardfs-mnt-r1.prom");
  EXPECT_EQ(MetricsFileName("/mnt/r-1"), "shardfs-mnt-r%2D1.prom");
  EXPECT_EQ(MetricsFileName("/mnt/a b"), "shardfs-mnt-a%20b.prom");
  EXPECT_EQ(MetricsFileName("/"), "shardfs-root.prom");
  const std::string deep = "/" + std::string(300, 'a');
  EXPECT_LT(MetricsFileName(deep + "b").size(), 240u);
  EXPECT_NE(MetricsFileName(deep + "b"), MetricsFileName(deep + "c"));
}

TEST(MetricsTextfileTest, IsThereWholeOrNotAtAll) {
  const TemporaryDirectory directory;
  const std::string left = directory / "shardfs-mnt-r1.prom";
  WriteFile(left, "of a daemon that was killed\n");
  WriteFile(directory / "other.prom", "not ours\n");
  {
    auto file = MetricsTextfile::Open(directory.path().string(), "/mnt/r1");
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_FALSE(fs::exists(left));
    (*file)->Start([] { return std::string("metrics 1\n"); });
    EXPECT_TRUE(WaitUntil([&] { return fs::exists(left); }));
    EXPECT_EQ(ReadFile(left), "metrics 1\n");
    EXPECT_EQ(fs::status(left).permissions(), fs::perms(0644));
  }
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(directory / "other.prom"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 1);
  const auto none = MetricsTextfile::Open(directory / "none", "/mnt/r1");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), StatusCode::kInvalidArgument);
}

// The name that the collector looks for is never that of a file being written: it comes by a rename alone, of a file
// whose own name the collector passes over.
TEST(MetricsTextfileTest, ComesByARename) {
  const TemporaryDirectory directory;
  const FileDescriptor watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  ASSERT_TRUE(watch.valid());
  ASSERT_GE(::inotify_add_watch(watch.get(), directory.path().c_str(), IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_DELETE),
            0);
  {
    auto file = MetricsTextfile::Open(directory.path().string(), "/mnt/r1");
    ASSERT_TRUE(file.ok()) << file.status();
    (*file)->Start([] { return std::string(100'000, '#') + "\n"; });
    ASSERT_TRUE(WaitUntil([&] { return fs::exists(directory / "shardfs-mnt-r1.prom"); }));
    EXPECT_EQ(fs::file_size(directory / "shardfs-mnt-r1.prom"), 100'001u);
  }
  std::vector<std::pair<std::string, std::uint32_t>> events;
  alignas(inotify_event) std::array<char, 65536> buffer;
  const ssize_t size = ::read(watch.get(), buffer.data(), buffer.size());
  for (ssize_t at = 0; at < size;) {
    const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    if (std::string_view(event->name).ends_with(".prom")) events.emplace_back(event->name, event->mask);
  }
  EXPECT_THAT(events, ElementsAre(Pair("shardfs-mnt-r1.prom", std::uint32_t{IN_MOVED_TO}),
                                  Pair("shardfs-mnt-r1.prom", std::uint32_t{IN_DELETE})));
}

class MountMetricsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SHARDFS_REQUIRE_FUSE();
    fs::create_directory(scratch_ / "textfile");
  }

  ProgramResult Mount(std::vector<std::string> more) {
    more.insert(more.begin(), {mount_.path().string(), "--log-file", scratch_ / "log"});
    return RunShardfs(GoldenArguments("mount", more));
  }
  // The port that the log names.
  std::string Port() const {
    std::smatch match;
    const std::string log = ReadFile(scratch_ / "log");
    return std::regex_search(log, match, std::regex("http://127\\.0\\.0\\.1:([0-9]+)/metrics")) ? match[1].str() : "";
  }
  // By bash, as a stranger would.
  std::string Get(const std::string& path) const {
    const std::string out = scratch_ / "answer";
    const std::string command = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/" + Port() + " && printf \"GET " + path +
                                " HTTP/1.1\\r\\n\\r\\n\" >&3 && cat <&3' >'" + out + "' 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << ReadFile(out);
    return ReadFile(out);
  }

  MountableDirectory mount_;
  TemporaryDirectory scratch_;
};

TEST_F(MountMetricsTest, ArePublishedUntilTheUnmount) {
  const ProgramResult mounted = Mount({"--metrics-listen", ":0", "--metrics-textfile", scratch_ / "textfile"});
  ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
  const std::string file = scratch_ / ("textfile/" + MetricsFileName(mount_.path().string()));
  ASSERT_TRUE(WaitUntil([&] { return fs::exists(file); }));
  const PrometheusText written(ReadFile(file));
  EXPECT_EQ(written.error(), "");
  EXPECT_EQ(written["shardfs_up"], 1);
  EXPECT_FALSE(written.Has("process_open_fds"));
  const std::string answer = Get("/metrics");
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  const PrometheusText served(answer.substr(answer.find("\r\n\r\n") + 4));
  EXPECT_EQ(served.error(), "");
  EXPECT_EQ(served.base(), written.base());
  EXPECT_GT(served["process_open_fds"], 0);
  EXPECT_THAT(Get("/healthz"), HasSubstr("healthy\n"));
  EXPECT_EQ(RunShardfs({"umount", mount_.path().string()}).exit_code, 0);
  EXPECT_TRUE(WaitUntil([&] { return !fs::exists(file); }));
}

TEST_F(MountMetricsTest, ARefusedMountLeavesNothing) {
  const ProgramResult listen = Mount({"--metrics-listen", "nowhere"});
  EXPECT_EQ(listen.exit_code, 2);
  EXPECT_THAT(listen.err, HasSubstr("--metrics-listen takes ADDR:PORT"));
  const ProgramResult textfile = Mount({"--metrics-textfile", scratch_ / "none"});
  EXPECT_EQ(textfile.exit_code, 2);
  EXPECT_THAT(textfile.err, HasSubstr("--metrics-textfile"));
  EXPECT_EQ(Mount({"--metrics-textfile", GoldenCase() + "/source"}).exit_code, 2);
  EXPECT_EQ(Mount({"--metrics-textfile", mount_.path().string()}).exit_code, 2);
  EXPECT_TRUE(fs::is_empty(mount_.path()));
}

// What a daemon that was killed has left says that its view is up. The next mount takes it away, even where the source
// is not there any more and the mount is refused.
TEST_F(MountMetricsTest, AKilledDaemonsFileGoesWithTheNextMount) {
  const std::string point = mount_.path().string();
  const std::string file = scratch_ / ("textfile/" + MetricsFileName(point));
  WriteFile(file, "shardfs_up 1\n");
  std::vector<std::string> arguments = GoldenArguments("mount", {point, "--metrics-textfile", scratch_ / "textfile"});
  arguments[1] = scratch_ / "no-source";
  EXPECT_EQ(RunShardfs(arguments).exit_code, 1);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(MountMetricsTest, HealthFollowsTheSource) {
  fs::copy(GoldenCase() + "/source", scratch_ / "source", fs::copy_options::recursive);
  std::vector<std::string> arguments =
      GoldenArguments("mount", {mount_.path().string(), "--log-file", scratch_ / "log", "--metrics-listen", ":0"});
  arguments[1] = scratch_ / "source";
  ASSERT_EQ(RunShardfs(arguments).exit_code, 0);
  EXPECT_THAT(Get("/healthz"), HasSubstr("200 OK"));
  for (const auto& entry : fs::directory_iterator(scratch_ / "source")) {
    if (!entry.path().string().ends_with(".safetensors")) continue;
    fs::permissions(entry.path(), fs::perms::owner_write, fs::perm_options::add);
    fs::resize_file(entry.path(), 10);
  }
  EXPECT_TRUE(WaitUntil([&] { return Get("/healthz").find("503") != std::string::npos; }));
  EXPECT_THAT(Get("/healthz"), HasSubstr("source_changed"));
  EXPECT_EQ(RunShardfs({"umount", mount_.path().string()}).exit_code, 0);
}

}  // namespace
}  // namespace shardfs
