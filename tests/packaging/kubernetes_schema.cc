#include "packaging/kubernetes_schema.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace shardfs {
namespace {

// A type is "string", "int", "bool", "quantity" (512Mi), "duration" (1m30s), "map" (of strings), "=A|B" (one of these
// words), the name of "port" (a number or a name), an object type below, or any of them with "[]" after it. A "!"
// before the type: the field must be there. The field "" names those of which exactly one must be there:
// "exec|httpGet".
using Fields = std::map<std::string, std::string>;

const std::map<std::string, Fields>& Types() {
  static const std::map<std::string, Fields> types{
      {"DaemonSet",
       {{"apiVersion", "!=apps/v1"}, {"kind", "!=DaemonSet"}, {"metadata", "!Metadata"}, {"spec", "!DaemonSetSpec"}}},
      {"StatefulSet",
       {{"apiVersion", "!=apps/v1"},
        {"kind", "!=StatefulSet"},
        {"metadata", "!Metadata"},
        {"spec", "!StatefulSetSpec"}}},
      {"Pod", {{"apiVersion", "!=v1"}, {"kind", "!=Pod"}, {"metadata", "!Metadata"}, {"spec", "!PodSpec"}}},
      {"Kustomization",
       {{"apiVersion", "!=kustomize.config.k8s.io/v1beta1"},
        {"kind", "!=Kustomization"},
        {"namespace", "name"},
        {"resources", "!string[]"},
        {"images", "KustomizeImage[]"},
        {"labels", "KustomizeLabels[]"}}},
      {"KustomizeImage", {{"name", "!string"}, {"newName", "string"}, {"newTag", "string"}, {"digest", "string"}}},
      {"KustomizeLabels", {{"pairs", "!map"}, {"includeSelectors", "bool"}, {"includeTemplates", "bool"}}},
      {"Service", {{"apiVersion", "!=v1"}, {"kind", "!=Service"}, {"metadata", "!Metadata"}, {"spec", "!ServiceSpec"}}},
      {"PodMonitor",
       {{"apiVersion", "!=monitoring.coreos.com/v1"},
        {"kind", "!=PodMonitor"},
        {"metadata", "!Metadata"},
        {"spec", "!PodMonitorSpec"}}},
      {"PodMonitorSpec", {{"selector", "!Selector"}, {"podMetricsEndpoints", "!PodMetricsEndpoint[]"}}},
      {"PodMetricsEndpoint",
       {{"port", "!name"},
        {"path", "string"},
        {"interval", "duration"},
        {"scrapeTimeout", "duration"},
        {"relabelings", "Relabeling[]"}}},
      {"Relabeling", {{"sourceLabels", "string[]"}, {"targetLabel", "string"}, {"regex", "string"}}},
      {"PrometheusRule",
       {{"apiVersion", "!=monitoring.coreos.com/v1"},
        {"kind", "!=PrometheusRule"},
        {"metadata", "!Metadata"},
        {"spec", "!PrometheusRuleSpec"}}},
      {"PrometheusRuleSpec", {{"groups", "!RuleGroup[]"}}},
      {"RuleGroup", {{"name", "!string"}, {"interval", "duration"}, {"rules", "!Rule[]"}}},
      {"Rule",
       {{"alert", "!string"}, {"expr", "!string"}, {"for", "duration"}, {"labels", "map"}, {"annotations", "map"}}},
      {"Metadata", {{"name", "!name"}, {"namespace", "name"}, {"labels", "map"}, {"annotations", "map"}}},
      {"TemplateMetadata", {{"labels", "!map"}, {"annotations", "map"}}},
      {"Selector", {{"matchLabels", "!map"}}},
      {"DaemonSetSpec",
       {{"selector", "!Selector"},
        {"template", "!Template"},
        {"updateStrategy", "UpdateStrategy"},
        {"minReadySeconds", "int"}}},
      {"StatefulSetSpec",
       {{"selector", "!Selector"},
        {"template", "!Template"},
        {"serviceName", "!name"},
        {"replicas", "int"},
        {"podManagementPolicy", "=OrderedReady|Parallel"}}},
      {"UpdateStrategy", {{"type", "=OnDelete|RollingUpdate"}}},
      {"ServiceSpec",
       {{"clusterIP", "string"},
        {"publishNotReadyAddresses", "bool"},
        {"selector", "map"},
        {"ports", "ServicePort[]"}}},
      {"ServicePort", {{"name", "name"}, {"port", "!int"}, {"targetPort", "port"}, {"protocol", "=TCP|UDP"}}},
      {"Template", {{"metadata", "!TemplateMetadata"}, {"spec", "!PodSpec"}}},
      {"PodSpec",
       {{"containers", "!Container[]"},
        {"initContainers", "Container[]"},
        {"volumes", "Volume[]"},
        {"nodeSelector", "map"},
        {"affinity", "Affinity"},
        {"tolerations", "Toleration[]"},
        {"securityContext", "PodSecurityContext"},
        {"automountServiceAccountToken", "bool"},
        {"priorityClassName", "name"},
        {"terminationGracePeriodSeconds", "int"},
        {"hostPID", "bool"},
        {"hostIPC", "bool"},
        {"hostNetwork", "bool"},
        {"restartPolicy", "=Always|OnFailure|Never"}}},
      {"Toleration",
       {{"key", "string"},
        {"operator", "=Exists|Equal"},
        {"value", "string"},
        {"effect", "=NoSchedule|PreferNoSchedule|NoExecute"},
        {"tolerationSeconds", "int"}}},
      {"Affinity", {{"podAntiAffinity", "PodAntiAffinity"}}},
      {"PodAntiAffinity", {{"requiredDuringSchedulingIgnoredDuringExecution", "PodAffinityTerm[]"}}},
      {"PodAffinityTerm", {{"topologyKey", "!string"}, {"labelSelector", "Selector"}}},
      {"PodSecurityContext",
       {{"runAsUser", "int"},
        {"runAsGroup", "int"},
        {"runAsNonRoot", "bool"},
        {"fsGroup", "int"},
        {"seccompProfile", "SeccompProfile"}}},
      {"SeccompProfile", {{"type", "!=RuntimeDefault|Unconfined|Localhost"}, {"localhostProfile", "string"}}},
      {"Container",
       {{"name", "!name"},
        {"image", "!string"},
        {"imagePullPolicy", "=Always|IfNotPresent|Never"},
        {"command", "string[]"},
        {"args", "string[]"},
        {"ports", "ContainerPort[]"},
        {"env", "EnvVar[]"},
        {"securityContext", "SecurityContext"},
        {"resources", "Resources"},
        {"volumeMounts", "VolumeMount[]"},
        {"startupProbe", "Probe"},
        {"readinessProbe", "Probe"},
        {"livenessProbe", "Probe"},
        {"lifecycle", "Lifecycle"}}},
      {"EnvVar", {{"name", "!string"}, {"value", "string"}, {"valueFrom", "EnvVarSource"}}},
      {"EnvVarSource", {{"fieldRef", "FieldRef"}}},
      {"FieldRef", {{"fieldPath", "!string"}}},
      {"ContainerPort", {{"name", "name"}, {"containerPort", "!int"}, {"protocol", "=TCP|UDP"}}},
      {"SecurityContext",
       {{"privileged", "bool"},
        {"runAsUser", "int"},
        {"runAsNonRoot", "bool"},
        {"allowPrivilegeEscalation", "bool"},
        {"readOnlyRootFilesystem", "bool"},
        {"capabilities", "Capabilities"}}},
      {"Capabilities", {{"add", "string[]"}, {"drop", "string[]"}}},
      {"Resources", {{"requests", "ResourceList"}, {"limits", "ResourceList"}}},
      {"ResourceList", {{"cpu", "quantity"}, {"memory", "quantity"}, {"huawei.com/Ascend910", "quantity"}}},
      {"VolumeMount",
       {{"name", "!name"},
        {"mountPath", "!string"},
        {"readOnly", "bool"},
        {"mountPropagation", "=None|HostToContainer|Bidirectional"}}},
      {"Probe",
       {{"", "exec|httpGet"},
        {"exec", "Exec"},
        {"httpGet", "HttpGet"},
        {"initialDelaySeconds", "int"},
        {"periodSeconds", "int"},
        {"timeoutSeconds", "int"},
        {"failureThreshold", "int"},
        {"successThreshold", "int"}}},
      {"Exec", {{"command", "!string[]"}}},
      {"HttpGet", {{"path", "!string"}, {"port", "!port"}, {"scheme", "=HTTP|HTTPS"}, {"host", "string"}}},
      {"Lifecycle", {{"preStop", "Handler"}, {"postStart", "Handler"}}},
      {"Handler", {{"exec", "!Exec"}}},
      {"Volume", {{"name", "!name"}, {"hostPath", "HostPath"}, {"emptyDir", "EmptyDir"}}},
      {"HostPath", {{"path", "!string"}, {"type", "=Directory|DirectoryOrCreate|File|CharDevice|Socket"}}},
      {"EmptyDir", {{"medium", "=Memory"}, {"sizeLimit", "quantity"}}},
  };
  return types;
}

bool Matches(const std::string& text, const char* pattern) { return std::regex_match(text, std::regex(pattern)); }

bool IsScalarOf(const std::string& type, const std::string& text, bool quoted) {
  if (type == "string") return quoted || !Matches(text, "true|false|yes|no|on|off|null|~|[-+]?[0-9.]+");
  if (type == "name") return Matches(text, "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?");
  if (type == "port") return IsScalarOf(quoted ? "name" : "int", text, quoted) || IsScalarOf("name", text, quoted);
  if (type == "int") return !quoted && Matches(text, "[0-9]+");
  if (type == "bool") return !quoted && Matches(text, "true|false");
  if (type == "duration") return Matches(text, "([0-9]+h)?([0-9]+m)?([0-9]+s)?") && !text.empty();
  if (type == "quantity") return Matches(text, "[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?");
  return ("|" + type.substr(1) + "|").find("|" + text + "|") != std::string::npos;  // "=A|B"
}

class Checker {
 public:
  void Check(const YAML::Node& node, std::string type, const std::string& path) {
    if (type.ends_with("[]")) {
      type.resize(type.size() - 2);
      if (!node.IsSequence() || node.size() == 0) return Wrong(path, "is no list, or an empty one");
      for (std::size_t i = 0; i < node.size(); ++i) Check(node[i], type, path + "[" + std::to_string(i) + "]");
    } else if (type == "map") {
      if (!node.IsMap()) return Wrong(path, "is no map");
      for (const auto& entry : node) Check(entry.second, "string", path + "." + entry.first.as<std::string>());
    } else if (const auto fields = Types().find(type); fields != Types().end()) {
      CheckObject(node, fields->second, path);
    } else if (!node.IsScalar() || !IsScalarOf(type, node.Scalar(), node.Tag() == "!")) {
      Wrong(path, "is no " + type);
    }
  }

  std::vector<std::string> TakeProblems() { return std::move(problems_); }

 private:
  void CheckObject(const YAML::Node& node, const Fields& fields, const std::string& path) {
    if (!node.IsMap()) return Wrong(path, "is no object");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string name = entry.first.as<std::string>();
      const auto field = fields.find(name);
      if (!seen.insert(name).second) Wrong(path + "." + name, "is there twice");
      if (field == fields.end()) {
        Wrong(path + "." + name, "is no field");
      } else {
        Check(entry.second, field->second.substr(field->second[0] == '!' ? 1 : 0), path + "." + name);
      }
    }
    for (const auto& [name, type] : fields) {
      if (name.empty()) {
        CheckOneOf(seen, type, path);
        continue;
      }
      if (type[0] == '!' && !seen.contains(name)) Wrong(path + "." + name, "is missing");
    }
  }

  // `names`: "exec|httpGet"
  void CheckOneOf(const std::set<std::string>& seen, const std::string& names, const std::string& path) {
    std::size_t count = 0;
    std::istringstream words(names);
    for (std::string name; std::getline(words, name, '|');) count += seen.count(name);
    if (count != 1) Wrong(path, "has " + std::to_string(count) + " of " + names);
  }

  void Wrong(const std::string& path, const std::string& what) { problems_.push_back(path + " " + what); }

  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> CheckManifest(const YAML::Node& document) {
  if (!document.IsMap() || !document["kind"]) return {"no object with a kind"};
  const std::string kind = document["kind"].as<std::string>();
  const std::set<std::string> kinds{"DaemonSet",     "StatefulSet", "Pod",           "Service",
                                    "Kustomization", "PodMonitor",  "PrometheusRule"};
  if (!kinds.contains(kind)) return {"kind " + kind};
  Checker checker;
  checker.Check(document, kind, kind);
  return checker.TakeProblems();
}

}  // namespace shardfs
