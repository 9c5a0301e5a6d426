// The part of the Kubernetes API that our manifests use, as tables: which fields an object has, of which kind, and
// which must be there. It finds misspelt, misplaced and missing fields and values of a wrong kind or range. It is no
// API server: defaulting, admission and whatever the tables do not name stay unchecked.
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <vector>

namespace shardfs {

// What is wrong with a document, each with the path of the field; empty when nothing is. Knows the kinds DaemonSet,
// StatefulSet, Pod, Service and Kustomization, and PodMonitor and PrometheusRule of the Prometheus Operator.
std::vector<std::string> CheckManifest(const YAML::Node& document);

}  // namespace shardfs
