#include "service/describe_mount.h"

#include <fmt/format.h>

namespace shardfs {

MountDescription DescribeMount(const BuiltView& built, const FuseOptions& options) {
  MountDescription description;
  description.source = built.checkpoint->path();
  description.layout = built.layout;
  description.reader = built.checkpoint->reader();
  description.asked = built.asked;
  description.summary = built.view.summary;
  for (const auto& [name, value] : built.view.sizes) description.sizes.emplace_back(name, std::to_string(value));
  description.options = built.view.options;
  description.options.insert(description.options.end(), built.given.begin(), built.given.end());
  const MountDescription::Pairs of_mount = {
      {"uid", std::to_string(options.attributes.uid)},
      {"gid", std::to_string(options.attributes.gid)},
      {"file_mode", fmt::format("{:04o}", options.attributes.file_mode)},
      {"dir_mode", fmt::format("{:04o}", options.attributes.directory_mode)},
      {"allow_other", options.allow_other ? "true" : "false"},
  };
  description.options.insert(description.options.end(), of_mount.begin(), of_mount.end());
  return description;
}

}  // namespace shardfs
