#include "packaging/kubernetes_rules.h"

#include <initializer_list>
#include <set>

namespace shardfs {
namespace {

using Problems = std::vector<std::string>;

// What stands under these keys, one below the other; null where one of them is missing.
YAML::Node At(YAML::Node node, std::initializer_list<std::string> keys) {
  for (const std::string& key : keys) {
    if (!node.IsMap() || !node[key]) return YAML::Node(YAML::NodeType::Null);
    node.reset(node[key]);
  }
  return node;
}

// The pod of a document, or of its template; null of a document without one.
YAML::Node PodOf(const YAML::Node& document) {
  const std::string kind = At(document, {"kind"}).as<std::string>("");
  if (kind == "Pod") return At(document, {"spec"});
  if (kind == "DaemonSet" || kind == "StatefulSet") return At(document, {"spec", "template", "spec"});
  return YAML::Node(YAML::NodeType::Null);
}

std::string TextOf(const YAML::Node& node) { return node.IsScalar() ? node.as<std::string>("") : ""; }
bool IsTrue(const YAML::Node& node) { return node.IsScalar() && node.as<bool>(false); }
bool IsPrivileged(const YAML::Node& container) { return IsTrue(At(container, {"securityContext", "privileged"})); }

// A rule that looks at each container; `runs_on` is false for one that ends before the others start.
std::function<Problems(const YAML::Node&)> OfContainers(
    const std::function<std::string(const YAML::Node& container, const YAML::Node& pod, bool runs_on)>& look) {
  return [look](const YAML::Node& document) {
    Problems problems;
    const YAML::Node pod = PodOf(document);
    for (const char* list : {"initContainers", "containers"}) {
      for (const YAML::Node& container : At(pod, {list})) {
        const std::string problem = look(container, pod, list == std::string("containers"));
        if (!problem.empty()) problems.push_back(TextOf(At(container, {"name"})) + " " + problem);
      }
    }
    return problems;
  };
}

// A rule that looks at the pod as a whole.
std::function<Problems(const YAML::Node&)> OfPods(const std::function<std::string(const YAML::Node& pod)>& look) {
  return [look](const YAML::Node& document) {
    const YAML::Node pod = PodOf(document);
    const std::string problem = pod.IsNull() ? "" : look(pod);
    return problem.empty() ? Problems() : Problems{problem};
  };
}

std::string ImageProblem(const YAML::Node& container, const YAML::Node&, bool) {
  const std::string image = TextOf(At(container, {"image"}));
  const std::size_t tag = image.rfind(':');
  if (image.find('@') != std::string::npos) return "";
  if (tag == std::string::npos || image.find('/', tag) != std::string::npos) return "has an image without a tag";
  return image.substr(tag + 1) == "latest" ? "has the tag latest" : "";
}

std::string ResourceProblem(const YAML::Node& container, const YAML::Node&, bool) {
  const YAML::Node resources = At(container, {"resources"});
  if (At(resources, {"requests", "cpu"}).IsNull()) return "requests no cpu";
  if (At(resources, {"requests", "memory"}).IsNull()) return "requests no memory";
  if (At(resources, {"limits", "memory"}).IsNull()) return "has no limit of memory";
  return "";
}

// Extended resources cannot be overcommitted: the API server refuses a request that is not the limit.
std::string DeviceProblem(const YAML::Node& container, const YAML::Node& pod, bool runs_on) {
  const std::string device = "huawei.com/Ascend910";
  const std::string limit = TextOf(At(container, {"resources", "limits", device}));
  const std::string request = TextOf(At(container, {"resources", "requests", device}));
  if (limit != request) return "requests " + request + " NPUs with a limit of " + limit;
  const bool is_server = TextOf(At(container, {"image"})).find("shardfs:") == std::string::npos;
  if (runs_on && is_server && limit.empty()) return "serves without NPUs";
  static_cast<void>(pod);
  return "";
}

std::string PrivilegeProblem(const YAML::Node& container, const YAML::Node& pod, bool) {
  const YAML::Node own = At(container, {"securityContext"});
  if (IsPrivileged(container)) {
    return TextOf(At(own, {"runAsUser"})) == "0" ? "" : "mounts, and leaves its user to the image, which has nobody";
  }
  if (At(own, {"allowPrivilegeEscalation"}).IsNull() || IsTrue(At(own, {"allowPrivilegeEscalation"})))
    return "may gain privileges";
  if (At(own, {"capabilities", "drop"}).as<std::vector<std::string>>(Problems{}) != Problems{"ALL"})
    return "keeps capabilities";
  if (!IsTrue(At(pod, {"securityContext", "runAsNonRoot"}))) return "may run as root";
  if (TextOf(At(pod, {"securityContext", "seccompProfile", "type"})) != "RuntimeDefault")
    return "has no seccomp profile";
  return "";
}

// Of our own image nothing is written to; of a server it is said that it must be.
std::string RootFilesystemProblem(const YAML::Node& container, const YAML::Node&, bool) {
  const YAML::Node field = At(container, {"securityContext", "readOnlyRootFilesystem"});
  if (field.IsNull()) return "does not say whether its root file system is written to";
  const bool is_ours = TextOf(At(container, {"image"})).starts_with("shardfs:");
  return is_ours && !field.as<bool>() ? "can write to its root file system" : "";
}

std::string ProbeProblem(const YAML::Node& container, const YAML::Node&, bool runs_on) {
  if (!runs_on) return "";
  for (const char* probe : {"readinessProbe", "livenessProbe"}) {
    if (At(container, {probe}).IsNull()) return std::string("has no ") + probe;
    if (At(container, {probe, "timeoutSeconds"}).IsNull())
      return std::string(probe) + " has the default timeout of a second";
  }
  return "";
}

// `shardfs status` gives a daemon 5 seconds; a probe that gives less would never see its exit code 7.
std::string StatusProbeProblem(const YAML::Node& container, const YAML::Node&, bool) {
  for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    const auto command = At(container, {probe, "exec", "command"}).as<std::vector<std::string>>(Problems{});
    std::string line;
    for (const std::string& word : command) line += word + " ";
    if (line.find("shardfs status") == std::string::npos) continue;
    if (At(container, {probe, "timeoutSeconds"}).as<int>(1) <= 5)
      return std::string(probe) + " ends before status does";
    const bool restarts = probe == std::string("livenessProbe");
    if (restarts && line.find("-ne 7") == std::string::npos) return "is restarted for another cause than a dead view";
  }
  return "";
}

// Mounts of the host that come after the container's start are seen only with a propagation that lets them in.
std::string PropagationProblem(const YAML::Node& container, const YAML::Node& pod, bool) {
  std::set<std::string> host_directories;
  for (const YAML::Node& volume : At(pod, {"volumes"})) {
    const std::string type = TextOf(At(volume, {"hostPath", "type"}));
    if (type.starts_with("Directory")) host_directories.insert(TextOf(At(volume, {"name"})));
  }
  for (const YAML::Node& mount : At(container, {"volumeMounts"})) {
    const std::string name = TextOf(At(mount, {"name"}));
    if (!host_directories.contains(name)) continue;
    const std::string propagation = TextOf(At(mount, {"mountPropagation"}));
    if (propagation.empty() || propagation == "None") return "does not see later mounts in " + name;
    if (propagation == "Bidirectional" && !IsPrivileged(container)) return "may not mount in " + name;
    if (propagation == "HostToContainer" && !IsTrue(At(mount, {"readOnly"}))) return "may write to " + name;
  }
  return "";
}

std::string PullProblem(const YAML::Node& container, const YAML::Node&, bool) {
  return TextOf(At(container, {"imagePullPolicy"})) == "IfNotPresent" ? "" : "pulls a pinned image again";
}

std::string TolerationProblem(const YAML::Node& pod) {
  std::set<std::string> keys;
  for (const YAML::Node& toleration : At(pod, {"tolerations"})) keys.insert(TextOf(At(toleration, {"key"})));
  return keys.contains("huawei.com/Ascend910") ? "" : "is kept away from nodes with NPUs";
}

std::string HostProblem(const YAML::Node& pod) {
  for (const char* field : {"hostPID", "hostIPC", "hostNetwork"}) {
    if (IsTrue(At(pod, {field}))) return std::string("shares the node's ") + field;
  }
  for (const YAML::Node& volume : At(pod, {"volumes"})) {
    if (!At(volume, {"hostPath"}).IsNull() && At(volume, {"hostPath", "type"}).IsNull())
      return TextOf(At(volume, {"name"})) + " does not say its type";
  }
  return "";
}

std::string TokenProblem(const YAML::Node& pod) {
  const YAML::Node field = At(pod, {"automountServiceAccountToken"});
  return field.IsScalar() && !field.as<bool>(true) ? "" : "has a token of the API server";
}

std::string EndProblem(const YAML::Node& pod) {
  return At(pod, {"terminationGracePeriodSeconds"}).IsNull() ? "does not say how long its end may take" : "";
}

std::string MemoryVolumeProblem(const YAML::Node& pod) {
  for (const YAML::Node& volume : At(pod, {"volumes"})) {
    if (!At(volume, {"emptyDir"}).IsNull() && At(volume, {"emptyDir", "sizeLimit"}).IsNull())
      return TextOf(At(volume, {"name"})) + " has no limit";
  }
  return "";
}

Problems LabelProblems(const YAML::Node& document) {
  const std::string kind = TextOf(At(document, {"kind"}));
  if (kind == "Kustomization") return {};
  Problems problems;
  if (At(document, {"metadata", "labels", "app.kubernetes.io/name"}).IsNull())
    problems.push_back("has no app.kubernetes.io/name");
  const YAML::Node pod_labels = At(document, {"spec", "template", "metadata", "labels"});
  for (const auto& label : At(document, {"spec", "selector", "matchLabels"})) {
    const std::string name = label.first.as<std::string>();
    if (TextOf(At(pod_labels, {name})) != label.second.as<std::string>())
      problems.push_back("selects no pod by " + name);
  }
  return problems;
}

Problems UpdateProblems(const YAML::Node& document) {
  if (TextOf(At(document, {"kind"})) != "DaemonSet") return {};
  return TextOf(At(document, {"spec", "updateStrategy", "type"})) == "OnDelete"
             ? Problems()
             : Problems{"takes views away from their readers when it is updated"};
}

}  // namespace

std::span<const ManifestRule> ManifestRules() {
  static const std::vector<ManifestRule> kRules = {
      {"pinned-images", "Every image has a tag other than latest, so that a restart runs the same.",
       OfContainers(ImageProblem)},
      {"pull-policy", "A pinned image that is there is not pulled again.", OfContainers(PullProblem)},
      {"resources", "Every container requests cpu and memory and has a limit of memory.",
       OfContainers(ResourceProblem)},
      {"devices", "A server has its NPUs, requested as they are limited.", OfContainers(DeviceProblem)},
      {"privileges",
       "A container is privileged because it mounts, or gives up all that it can: capabilities, root, "
       "system calls.",
       OfContainers(PrivilegeProblem)},
      {"read-only-root", "The root file system of our image is read-only; a server says what it needs.",
       OfContainers(RootFilesystemProblem)},
      {"probes", "A container that runs on has readiness and liveness probes with a timeout.",
       OfContainers(ProbeProblem)},
      {"status-probes", "A probe gives `shardfs status` its 5 seconds, and restarts for exit code 7 alone.",
       OfContainers(StatusProbeProblem)},
      {"propagation",
       "Directories of the node let later mounts in (HostToContainer, and read-only), or out "
       "(Bidirectional, privileged).",
       OfContainers(PropagationProblem)},
      {"tolerations", "Pods go to nodes that are kept for NPUs.", OfPods(TolerationProblem)},
      {"host", "Nothing of the node is shared but typed directories and devices.", OfPods(HostProblem)},
      {"token", "No pod has a token of the API server.", OfPods(TokenProblem)},
      {"termination", "Each pod says how long its end may take.", OfPods(EndProblem)},
      {"memory-volumes", "An emptyDir has a limit.", OfPods(MemoryVolumeProblem)},
      {"labels", "Objects have the recommended labels, and selectors select.", LabelProblems},
      {"updates", "An update takes no view away from its readers.", UpdateProblems},
  };
  return kRules;
}

}  // namespace shardfs
