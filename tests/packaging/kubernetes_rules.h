// What a reviewer of manifests looks for, as a written list: each rule has a name, a sentence, and a look at one
// document.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace shardfs {

struct ManifestRule {
  std::string name;                                                          // "pinned-images"
  std::string sentence;                                                      // what it asks for, and why
  std::function<std::vector<std::string>(const YAML::Node& document)> find;  // what breaks it, one sentence each
};

std::span<const ManifestRule> ManifestRules();

}  // namespace shardfs
