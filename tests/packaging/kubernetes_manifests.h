// The Kubernetes manifests as YAML, and what tests look for in them.
#pragma once

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <vector>

namespace shardfs {

inline const std::string kScripts = SHARDFS_TESTS_DIR "/../mount-scripts";
inline const std::string kManifests = kScripts + "/kubernetes";

using Words = std::vector<std::string>;

inline std::vector<YAML::Node> Documents(const std::string& name) {
  return YAML::LoadAllFromFile(kManifests + "/" + name);
}

// The one of that kind in the file.
inline YAML::Node Find(const std::string& file, const std::string& kind) {
  for (const YAML::Node& document : Documents(file)) {
    if (document["kind"].as<std::string>() == kind) return document;
  }
  ADD_FAILURE() << file << " has no " << kind;
  return {};
}

inline std::map<std::string, YAML::Node> ByName(const YAML::Node& list) {
  std::map<std::string, YAML::Node> named;
  for (const YAML::Node& item : list) named.emplace(item["name"].as<std::string>(), item);
  return named;
}

inline std::vector<YAML::Node> ContainersOf(const YAML::Node& pod) {
  std::vector<YAML::Node> containers;
  for (const char* list : {"initContainers", "containers"}) {
    for (const YAML::Node& container : pod[list]) containers.push_back(container);
  }
  return containers;
}

inline Words CommandOf(const YAML::Node& container) {
  Words words = container["command"].as<Words>(Words{});
  for (const std::string& word : container["args"].as<Words>(Words{})) words.push_back(word);
  return words;
}

}  // namespace shardfs
