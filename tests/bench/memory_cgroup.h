// MemoryCgroup: a memory cgroup, version 1 or 2, for one program.
//
// Thread-safety: one thread.
#pragma once

#include <cstdint>
#include <string>

#include "shardfs/base/result.h"

namespace shardfs::bench {

class MemoryCgroup {
 public:
  // Limits page cache, tmpfs and everything else of what joins to `bytes`. Fails where no cgroup can be made, with the
  // reason.
  static Result<MemoryCgroup> Make(std::uint64_t bytes);
  MemoryCgroup(MemoryCgroup&& other) noexcept;
  MemoryCgroup& operator=(MemoryCgroup&&) = delete;
  ~MemoryCgroup();  // all that joined must have ended

  std::string procs() const { return path_ + "/cgroup.procs"; }

 private:
  explicit MemoryCgroup(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace shardfs::bench
