// Whether this machine can mount FUSE file systems. Tests that need it are skipped where it cannot, except with
// CI=true, where a run without them would prove too little and so fails.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace shardfs {

inline bool FuseAvailable() {
  const int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

inline bool InContinuousIntegration() {
  const char* ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

}  // namespace shardfs

#define SHARDFS_REQUIRE_FUSE()                                                                            \
  do {                                                                                                    \
    if (!::shardfs::FuseAvailable()) {                                                                    \
      if (::shardfs::InContinuousIntegration()) FAIL() << "/dev/fuse cannot be opened, and CI=true asks"; \
      GTEST_SKIP() << "/dev/fuse cannot be opened, so nothing can be mounted";                            \
    }                                                                                                     \
  } while (false)
