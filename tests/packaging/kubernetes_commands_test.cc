// What the containers of the manifests run, run here: the pod that reads, the probe that restarts, the port that is
// scraped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "fuse/temporary_mount.h"
#include "packaging/kubernetes_manifests.h"
#include "tools/wait_until.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;

std::string TextOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// `text` with each `from` replaced; fails the test where there is none.
std::string With(std::string text, const std::string& from, const std::string& to) {
  EXPECT_NE(text.find(from), std::string::npos) << "no " << from << " in " << text;
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

int RunInShell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// It waits for a view that is not mounted yet, and then prints bytes of it.
TEST(KubernetesCommandsTest, TheReaderWaitsForTheViewAndReadsIt) {
  const YAML::Node container = Find("reader-pod.yaml", "Pod")["spec"]["containers"][0];
  EXPECT_EQ(container["command"].as<Words>(), (Words{"sh", "-c"}));
  const MountableDirectory directory;
  const std::string view = (directory.path() / "view").string();
  const std::string out = (directory.path() / "out").string();
  std::string line = With(container["args"][0].as<std::string>(), "/weights/r1", view);
  line = With(line, "exec sleep 86400", "exit 0");
  const std::string late =
      "sleep 0.2; mkdir '" + view + "'; cp '" + GoldenCase() + "/expected/config.json' '" + view + "'";
  EXPECT_EQ(RunInShell("(" + late + ") & (" + line + ") >'" + out + "'"), 0);
  EXPECT_EQ(TextOf(out), TextOf(GoldenCase() + "/expected/config.json"));
  EXPECT_EQ(container["readinessProbe"]["exec"]["command"].as<Words>(), (Words{"cat", "/weights/r1/config.json"}));
}

// A restart mends a daemon that is gone; a source that has changed it does not mend.
TEST(KubernetesCommandsTest, TheLivenessProbeFailsForADeadViewAlone) {
  SHARDFS_REQUIRE_FUSE();
  std::vector<std::pair<std::string, std::string>> probes;
  for (const auto& [file, kind, path] : {std::tuple("mount-daemonset.yaml", "DaemonSet", "/var/lib/shardfs/r1"),
                                         std::tuple("vllm-ascend.yaml", "DaemonSet", "/var/lib/shardfs/bf16"),
                                         std::tuple("reader-pod.yaml", "Pod", "/weights/r1")}) {
    const YAML::Node spec = Find(file, kind)["spec"];
    const YAML::Node pod = kind == std::string("Pod") ? spec : spec["template"]["spec"];
    const Words words = pod["containers"][0]["livenessProbe"]["exec"]["command"].as<Words>();
    ASSERT_EQ(words.size(), 3u);
    EXPECT_EQ(words[0] + " " + words[1], "sh -c");
    probes.emplace_back(words[2], path);
  }
  const MountableDirectory directory;
  const std::string point = directory.MakeDirectory("mount");
  const std::string source = directory.MakeDirectory("source");
  fs::copy(GoldenCase() + "/source", source, fs::copy_options::recursive);
  std::vector<std::string> arguments = GoldenArguments("mount", {point});
  arguments[1] = source;
  ASSERT_EQ(RunShardfs(arguments).exit_code, 0);
  const auto expect = [&](int code, const char* state) {
    for (const auto& [line, path] : probes) {
      const std::string command =
          With(With(line, path, "'" + point + "'"), "shardfs status", "'" SHARDFS_EXECUTABLE "' status");
      EXPECT_EQ(RunInShell(command), code) << state << ": " << line;
    }
  };
  expect(0, "healthy");
  const std::string shard = source + "/model-00001-of-00002.safetensors";
  fs::permissions(shard, fs::perms::owner_write, fs::perm_options::add);
  fs::resize_file(shard, 10);
  EXPECT_EQ(RunShardfs({"status", point}).exit_code, 6);
  expect(0, "source changed");
  const auto status = nlohmann::json::parse(RunShardfs({"status", point, "--json"}).out);
  ASSERT_EQ(::kill(status["pid"].get<pid_t>(), SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] { return RunShardfs({"status", point}).exit_code == 7; }));
  expect(1, "dead");
  EXPECT_EQ(RunShardfs({"umount", point}).exit_code, 0);
}

// Every DaemonSet that the PodMonitor selects listens on the port that it asks for.
TEST(KubernetesCommandsTest, ThePodMonitorFindsThePortOfEachView) {
  const YAML::Node monitor = YAML::LoadFile(kScripts + "/monitoring/pod-monitor.yaml")["spec"];
  const YAML::Node endpoint = monitor["podMetricsEndpoints"][0];
  EXPECT_EQ(endpoint["path"].as<std::string>(), "/metrics");
  for (const char* file : {"mount-daemonset.yaml", "vllm-ascend.yaml"}) {
    const YAML::Node pod = Find(file, "DaemonSet")["spec"]["template"];
    for (const auto& label : monitor["selector"]["matchLabels"]) {
      EXPECT_EQ(pod["metadata"]["labels"][label.first.as<std::string>()].as<std::string>(""),
                label.second.as<std::string>());
    }
    const YAML::Node container = pod["spec"]["containers"][0];
    const auto ports = ByName(container["ports"]);
    const auto port = ports.find(endpoint["port"].as<std::string>());
    ASSERT_NE(port, ports.end()) << file;
    EXPECT_THAT(CommandOf(container),
                ::testing::Contains("--metrics-listen=0.0.0.0:" + port->second["containerPort"].as<std::string>()))
        << file;
  }
}

}  // namespace
}  // namespace shardfs
