// Reads files of a directory and compares them with the sizes and digests that they should have.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "shardfs/base/result.h"
#include "shardfs/materialize/manifest.h"
#include "shardfs/verify/verifier.h"

namespace shardfs {

// Counters of the caller's that grow as the check goes on; may be null.
struct DigestProgress {
  std::atomic<std::uint64_t>* bytes_done = nullptr;  // by each file's size in all
  std::atomic<std::uint64_t>* files_done = nullptr;

  void AddBytes(std::uint64_t bytes) const {
    if (bytes_done != nullptr) bytes_done->fetch_add(bytes, std::memory_order_relaxed);
  }
  void AddFile() const {
    if (files_done != nullptr) files_done->fetch_add(1, std::memory_order_relaxed);
  }
};

// By file: what is wrong with it, or nothing. An error when one cannot be read, naming it, or kCancelled (noticed
// within 256 KiB a thread). `quick` looks at sizes only.
Result<std::vector<std::optional<Difference>>> CheckDigests(int root, const std::string& directory,
                                                            std::span<const ManifestFile> files, bool quick,
                                                            unsigned threads, const DigestProgress& progress,
                                                            const std::stop_token& cancel);

}  // namespace shardfs
