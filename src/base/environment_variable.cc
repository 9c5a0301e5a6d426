#include "base/environment_variable.h"

#include <cstdlib>

namespace shardfs {

std::optional<std::string> EnvironmentVariable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace shardfs
