#include "service/describe_mount.h"

#include <fmt/format.h>

namespace shardfs {

MountDescription DescribeMount(const View& view, const FuseOptions& options) {
  const LayoutOptions& asked = view.options.options;
  MountDescription description;
  description.source = view.checkpoint->path();
  description.layout = view.options.layout;
  description.summary = view.layout.summary;
  for (const auto& [name, value] : view.layout.sizes) description.sizes.emplace_back(name, std::to_string(value));
  description.options = {
      {"mtp", asked.mtp ? "true" : "false"},
      {"max_shard_size", std::to_string(asked.max_shard_bytes)},
      {"dp_partition_up", asked.dp_partition_up ? "true" : "false"},
      {"uid", std::to_string(options.attributes.uid)},
      {"gid", std::to_string(options.attributes.gid)},
      {"file_mode", fmt::format("{:04o}", options.attributes.file_mode)},
      {"dir_mode", fmt::format("{:04o}", options.attributes.directory_mode)},
      {"allow_other", options.allow_other ? "true" : "false"},
  };
  for (const auto& [name, value] : asked.layout_options) description.options.emplace_back("O." + name, value);
  return description;
}

}  // namespace shardfs
