// The Kubernetes manifests: against the tables of kubernetes_schema.h, against themselves, and by running what their
// containers run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "cli/run_shardfs.h"
#include "fuse/temporary_mount.h"
#include "packaging/kubernetes_manifests.h"
#include "packaging/kubernetes_rules.h"
#include "packaging/kubernetes_schema.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(KubernetesTest, EveryManifestFitsTheSchema) {
  std::size_t documents = 0;
  for (const std::string& folder : {kManifests, kScripts + "/monitoring"}) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename() == "shardfs.rules.yaml") continue;  // of Prometheus itself
      for (const YAML::Node& document : YAML::LoadAllFromFile(entry.path())) {
        EXPECT_THAT(CheckManifest(document), IsEmpty()) << entry.path();
        ++documents;
      }
    }
  }
  EXPECT_EQ(documents, 10u);
}

TEST(KubernetesTest, EveryManifestKeepsTheRules) {
  for (const auto& entry : fs::directory_iterator(kManifests)) {
    for (const YAML::Node& document : Documents(entry.path().filename())) {
      for (const ManifestRule& rule : ManifestRules()) {
        EXPECT_THAT(rule.find(document), IsEmpty()) << entry.path() << ": " << rule.name << ": " << rule.sentence;
      }
    }
  }
}

// Each rule finds what breaks it: a text of a manifest, and what it becomes.
TEST(KubernetesTest, TheRulesFindWhatBreaksThem) {
  struct Case {
    std::string rule, file, from, to;
  };
  const std::string mount = "mount-daemonset.yaml";
  const std::string server = "materialize-statefulset.yaml";
  const std::vector<Case> cases = {
      {"pinned-images", mount, "shardfs:0.1.0", "shardfs:latest"},
      {"pinned-images", mount, "shardfs:0.1.0", "shardfs"},
      {"pull-policy", mount, "IfNotPresent", "Always"},
      {"resources", mount, "            limits:\n              memory: 4Gi\n", ""},
      {"resources", mount, "              cpu: \"1\"\n", ""},
      {"devices", server, "huawei.com/Ascend910: \"8\" #", "cpus: \"8\" #"},
      {"privileges", server, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"},
      {"privileges", server, "drop: [\"ALL\"]", "drop: [\"NET_RAW\"]"},
      {"privileges", server, "        runAsNonRoot: true\n", ""},
      {"privileges", server, "type: RuntimeDefault", "type: Unconfined"},
      {"privileges", mount, "            runAsUser: 0 #", "            # runAsUser: 0 #"},
      {"read-only-root", mount, "            readOnlyRootFilesystem: true\n", ""},
      {"read-only-root", mount, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"},
      {"probes", mount, "livenessProbe:", "lifenessProbe:"},
      {"status-probes", mount, "timeoutSeconds: 10 #", "timeoutSeconds: 5 #"},
      {"status-probes", mount, "test $? -ne 7", "test $? -eq 0"},
      {"propagation", mount, "              mountPropagation: HostToContainer", "              mountPropagation: None"},
      {"propagation", mount, "privileged: true", "privileged: false"},
      {"propagation", mount, "              readOnly: true\n", ""},
      {"tolerations", mount, "key: huawei.com/Ascend910", "key: huawei.com/Ascend310"},
      {"host", mount, "      nodeSelector:", "      hostPID: true\n      nodeSelector:"},
      {"host", mount, "            type: CharDevice\n", ""},
      {"token", mount, "automountServiceAccountToken: false", "automountServiceAccountToken: true"},
      {"termination", mount, "      terminationGracePeriodSeconds: 30\n", ""},
      {"memory-volumes", server, "            sizeLimit: 390Gi", "            # sizeLimit: 390Gi"},
      {"labels", mount, "    matchLabels:\n      app.kubernetes.io/name: shardfs",
       "    matchLabels:\n      app.kubernetes.io/name: other"},
      {"updates", mount, "type: OnDelete", "type: RollingUpdate"},
  };
  std::set<std::string> tried;
  for (const Case& one : cases) {
    std::ifstream file(kManifests + "/" + one.file);
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::size_t at = text.find(one.from);
    ASSERT_NE(at, std::string::npos) << one.from;
    text.replace(at, one.from.size(), one.to);
    std::size_t found = 0;
    for (const ManifestRule& rule : ManifestRules()) {
      if (rule.name != one.rule) continue;
      for (const YAML::Node& document : YAML::LoadAll(text)) found += rule.find(document).size();
    }
    EXPECT_GE(found, 1u) << one.rule << " passes over " << one.from << " as " << one.to;
    tried.insert(one.rule);
  }
  EXPECT_EQ(tried.size(), ManifestRules().size()) << "a rule that no case breaks";
}

// What the kustomization names is there, and kubectl, where there is one, puts it together.
TEST(KubernetesTest, TheKustomizationNamesWhatIsThere) {
  const YAML::Node kustomization = Documents("kustomization.yaml")[0];
  for (const YAML::Node& resource : kustomization["resources"]) {
    EXPECT_TRUE(fs::exists(kManifests + "/" + resource.as<std::string>())) << resource.as<std::string>();
  }
  const std::string image = kustomization["images"][0]["name"].as<std::string>();
  const std::string tag = kustomization["images"][0]["newTag"].as<std::string>();
  EXPECT_EQ(
      Find("mount-daemonset.yaml", "DaemonSet")["spec"]["template"]["spec"]["containers"][0]["image"].as<std::string>(),
      image + ":" + tag);
  if (std::system("command -v kubectl >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no kubectl";
  EXPECT_EQ(std::system(("kubectl kustomize '" + kManifests + "' >/dev/null").c_str()), 0);
}

// The view that vLLM-Ascend reads, of a checkpoint of FP8.
TEST(KubernetesTest, TheVariantForVllmAscendShowsBf16) {
  const Words words = CommandOf(Find("vllm-ascend.yaml", "DaemonSet")["spec"]["template"]["spec"]["containers"][0]);
  Words arguments{"plan", SHARDFS_TESTS_DIR "/golden/fp8/random_a/source"};
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (words[i].starts_with("--layout") || words[i].starts_with("--dequantize")) arguments.push_back(words[i]);
  }
  ASSERT_EQ(arguments.size(), 4u);
  const ProgramResult planned = RunShardfs(arguments);
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  const YAML::Node server = Find("vllm-ascend.yaml", "StatefulSet")["spec"]["template"]["spec"]["containers"][0];
  EXPECT_THAT(server["args"][0].as<std::string>(), HasSubstr("vllm serve /views/bf16 "));
  EXPECT_EQ(words[2], "/var/lib/shardfs/bf16");
}

TEST(KubernetesTest, TheSchemaFindsWhatIsWrong) {
  const auto problems = [](const std::string& from, const std::string& to) {
    std::ifstream file(kManifests + "/mount-daemonset.yaml");
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return CheckManifest(YAML::Load(text));
  };
  EXPECT_THAT(problems("  mountPropagation: B", "  mountPropogation: B"),
              ElementsAre(HasSubstr("mountPropogation is no field")));
  EXPECT_THAT(problems("Bidirectional\n", "bidirectional\n"), ElementsAre(HasSubstr("mountPropagation is no =None|")));
  EXPECT_THAT(problems("privileged: true", "privileged: \"true\""), ElementsAre(HasSubstr("privileged is no bool")));
  EXPECT_THAT(problems("image: shardfs:0.1.0", "imagePullPolicies: Always"),
              testing::UnorderedElementsAre(HasSubstr("imagePullPolicies is no field"), HasSubstr("image is missing")));
  EXPECT_THAT(problems("memory: 512Mi", "memory: 512MB"), ElementsAre(HasSubstr("memory is no quantity")));
  EXPECT_THAT(problems("operator: Exists", "operator: Exist"), ElementsAre(HasSubstr("operator is no =Exists|Equal")));
  EXPECT_THAT(
      problems("            exec:\n              command: [\"shardfs\", \"status\", \"/var/lib/shardfs/r1\"]\n", ""),
      ElementsAre(HasSubstr("has 0 of exec|httpGet")));
  EXPECT_THAT(problems("apiVersion: apps/v1", "apiVersion: v1"), ElementsAre(HasSubstr("apiVersion is no =apps/v1")));
}

TEST(KubernetesTest, SelectorsVolumesAndCommandsAgree) {
  for (const auto& [file, kind] :
       {std::pair("mount-daemonset.yaml", "DaemonSet"), std::pair("materialize-statefulset.yaml", "StatefulSet"),
        std::pair("vllm-ascend.yaml", "DaemonSet"), std::pair("vllm-ascend.yaml", "StatefulSet")}) {
    const YAML::Node spec = Find(file, kind)["spec"];
    for (const auto& label : spec["selector"]["matchLabels"]) {
      EXPECT_EQ(spec["template"]["metadata"]["labels"][label.first.as<std::string>()].as<std::string>(""),
                label.second.as<std::string>())
          << file;
    }
    const YAML::Node pod = spec["template"]["spec"];
    const auto volumes = ByName(pod["volumes"]);
    std::set<std::string> used;
    for (const YAML::Node& container : ContainersOf(pod)) {
      for (const YAML::Node& mount : container["volumeMounts"]) {
        const std::string name = mount["name"].as<std::string>();
        EXPECT_TRUE(volumes.contains(name)) << file << ": " << name;
        used.insert(name);
        if (mount["mountPropagation"].as<std::string>("") == "Bidirectional") {
          EXPECT_TRUE(container["securityContext"]["privileged"].as<bool>(false)) << "the API server refuses this";
        }
      }
    }
    EXPECT_EQ(used.size(), volumes.size()) << file << " has a volume that nobody uses";
  }
}

TEST(KubernetesTest, TheDaemonSetMountsAndAsksAndUnmountsOnePlace) {
  const YAML::Node pod = Find("mount-daemonset.yaml", "DaemonSet")["spec"]["template"]["spec"];
  const YAML::Node container = pod["containers"][0];
  EXPECT_TRUE(container["securityContext"]["privileged"].as<bool>());
  const auto mounts = ByName(container["volumeMounts"]);
  EXPECT_EQ(mounts.at("views")["mountPropagation"].as<std::string>(), "Bidirectional");
  EXPECT_EQ(mounts.at("fuse")["mountPath"].as<std::string>(), "/dev/fuse");
  EXPECT_EQ(ByName(pod["volumes"]).at("fuse")["hostPath"]["type"].as<std::string>(), "CharDevice");

  const Words command = CommandOf(container);
  ASSERT_GE(command.size(), 3u);
  const std::string mount_point = command[2];
  // The same path here and on the host: what the propagated mount is found under.
  const std::string views = mounts.at("views")["mountPath"].as<std::string>();
  EXPECT_EQ(views, ByName(pod["volumes"]).at("views")["hostPath"]["path"].as<std::string>());
  EXPECT_TRUE(mount_point.starts_with(views + "/"));
  for (const char* probe : {"startupProbe", "readinessProbe"}) {
    EXPECT_THAT(container[probe]["exec"]["command"].as<Words>(), ElementsAre("shardfs", "status", mount_point));
  }
  const Words stop = container["lifecycle"]["preStop"]["exec"]["command"].as<Words>();
  EXPECT_EQ(stop[1], "umount");
  EXPECT_EQ(stop.back(), mount_point);
}

TEST(KubernetesTest, TheServersWeightsLieInMemoryOfEnoughSize) {
  const YAML::Node spec = Find("materialize-statefulset.yaml", "StatefulSet")["spec"];
  const YAML::Node pod = spec["template"]["spec"];
  const YAML::Node weights = ByName(pod["volumes"]).at("weights");
  EXPECT_EQ(weights["emptyDir"]["medium"].as<std::string>(), "Memory");
  const auto gib = [](const YAML::Node& quantity) {
    const std::string text = quantity.as<std::string>();
    EXPECT_TRUE(text.ends_with("Gi")) << text;
    return std::stoul(text);
  };
  const std::size_t size = gib(weights["emptyDir"]["sizeLimit"]);
  const auto env = ByName(pod["initContainers"][0]["env"]);
  const std::size_t nodes = std::stoul(env.at("NNODES")["value"].as<std::string>());
  EXPECT_EQ(nodes, spec["replicas"].as<std::size_t>());
  // Pages of an emptyDir in memory are counted against the container that touches them first.
  EXPECT_GE(gib(pod["initContainers"][0]["resources"]["limits"]["memory"]), size);
  EXPECT_GE(gib(pod["containers"][0]["resources"]["limits"]["memory"]), size);
  EXPECT_EQ(env.at("NODE_RANK")["valueFrom"]["fieldRef"]["fieldPath"].as<std::string>(),
            "metadata.labels['apps.kubernetes.io/pod-index']");
  EXPECT_EQ(Find("materialize-statefulset.yaml", "Service")["metadata"]["name"].as<std::string>(),
            spec["serviceName"].as<std::string>());
}

// The sizes of the golden case in place of the manifest's; everything else as it stands there.
Words ForTheGoldenCase(Words words, const std::string& destination) {
  for (std::string& word : words) {
    if (word == "/models/DeepSeek-R1-W8A8") word = GoldenCase() + "/source";
    if (word == "/weights/r1") word = destination;
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (Words sizes{"--dp", "--tp", "--moe-tp", "--moe-ep"}; std::ranges::count(sizes, name) != 0) word = name + "=2";
  }
  words.push_back("--mtp");
  return words;
}

TEST(KubernetesTest, TheInitContainerWritesItsNodesRanks) {
  const YAML::Node pod = Find("materialize-statefulset.yaml", "StatefulSet")["spec"]["template"]["spec"];
  const MountableDirectory directory;
  ::setenv("NNODES", ByName(pod["initContainers"][0]["env"]).at("NNODES")["value"].as<std::string>().c_str(), 1);
  for (const std::string node : {"0", "1"}) {
    ::setenv("NODE_RANK", node.c_str(), 1);
    const std::string weights = (directory.path() / node).string();
    Words command = ForTheGoldenCase(CommandOf(pod["initContainers"][0]), weights);
    ASSERT_EQ(command[0], "shardfs");
    command.erase(command.begin());
    const ProgramResult written = RunShardfs(command);
    EXPECT_EQ(written.exit_code, 0) << written.err;
    EXPECT_THAT(written.err, HasSubstr("node " + node + " of 2 (NODE_RANK and NNODES)"));
    const ProgramResult compared =
        RunShardfs({"verify", GoldenCase() + "/source", weights, "--dp", "2", "--tp", "2", "--moe-tp", "2", "--moe-ep",
                    "2", "--mtp", "--node-rank", node, "--nnodes", "2"});
    EXPECT_EQ(compared.exit_code, 0) << compared.out << compared.err;
  }
  ::unsetenv("NODE_RANK");
  ::unsetenv("NNODES");
}

TEST(KubernetesTest, EveryProgramThatACommandNamesIsInTheImage) {
  const YAML::Node pod = Find("mount-daemonset.yaml", "DaemonSet")["spec"]["template"]["spec"];
  EXPECT_EQ(CommandOf(pod["containers"][0])[0], "/usr/libexec/shardfs/container-mount");
  EXPECT_TRUE(fs::exists(kScripts + "/container-mount"));
  // Its options are those of `shardfs mount`: only the checkpoint is not here.
  const Words words = CommandOf(pod["containers"][0]);
  const MountableDirectory directory;
  Words arguments{"mount", "/models/none", directory.MakeDirectory("mount"), "--foreground"};
  arguments.insert(arguments.end(), words.begin() + 3, words.end());
  EXPECT_THAT(RunShardfs(arguments).err, HasSubstr("'/models/none' does not exist"));
  for (const char* subcommand : {"umount"}) {
    EXPECT_EQ(RunShardfs({subcommand, "--help"}).exit_code, 0);
  }
}

}  // namespace
}  // namespace shardfs
