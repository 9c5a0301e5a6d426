#include "layout/mindie/check/probe_backend.h"

#include <fmt/format.h>

#include "base/quote_name.h"
#include "layout/mindie/config/mindie_config.h"

namespace shardfs {

Finding ProbeMindieBackend(const std::string& backend) {
  if (backend == kMindieBackend) return Ok(Tr("backend"), Tr("backendType is {}", QuoteName(backend)));
  return Wrong(Tr("backend"),
               Tr("backendType is {}, and only the backend {} reads a sharded directory", QuoteName(backend),
                  QuoteName(kMindieBackend)),
               Tr("write \"backendType\": \"{}\" in MindIE's configuration", kMindieBackend));
}

std::optional<Finding> ProbeMindieBackendOf(const std::string& file, const std::string& mount_point) {
  if (file.empty()) return std::nullopt;
  const auto config = ReadMindieServerConfig(file);
  if (!config.ok()) return std::nullopt;
  const auto model = config->Choose(mount_point);
  if (!model.ok() || (*model)->backend.empty()) return std::nullopt;
  return ProbeMindieBackend((*model)->backend);
}

}  // namespace shardfs
