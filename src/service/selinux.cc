#include "service/selinux.h"

#include <fmt/format.h>
#include <unistd.h>

#include "console/output.h"
#include "base/text_file.h"

namespace shardfs {

Result<std::vector<std::string>> SelinuxMountOptions(const SelinuxLabels& labels, const std::string& filesystems) {
  std::vector<std::string> options;
  if (labels.empty()) return options;
  for (const auto& [name, label] : labels) {
    if (label.find('"') != std::string::npos) {
      return Status::InvalidArgument(fmt::format("--{} is '{}', and a label of SELinux has no quotes", name, label));
    }
    options.push_back(fmt::format("{}=\"{}\"", name, label));
  }
  // The kernel registers this file system exactly where SELinux is enabled.
  const Result<std::string> known = ReadTextFile(filesystems);
  if (!known.ok() || known->find("selinuxfs") == std::string::npos) {
    PrintWarning(fmt::format("SELinux is not enabled in this kernel, so the mount is made without {}",
                             fmt::join(options, " and ")));
    return std::vector<std::string>();
  }
  if (::geteuid() != 0) {
    return Status::InvalidArgument(fmt::format(
        "only root may give a mount a label of SELinux; leave out --{}, or mount as root", labels.front().first));
  }
  return options;
}

}  // namespace shardfs
