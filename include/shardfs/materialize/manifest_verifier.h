// ManifestVerifier: checks a directory that materialize completed against the manifest in it, without the source.
//
// What is compared: the names of all files and folders (those that begin with '.' do not count), sizes, and digests.
// Thread-safety: immutable after construction.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "shardfs/base/file_descriptor.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/manifest.h"
#include "shardfs/verify/verifier.h"

namespace shardfs {

class ManifestVerifier {
 public:
  // kInvalidArgument when it is no directory, or one without a manifest or marker; kCorruption when these are damaged.
  static Result<ManifestVerifier> Create(const std::string& directory);

  const Manifest& manifest() const { return manifest_; }
  std::uint64_t total_bytes() const;  // of the files in the manifest

  // Differences are a result; an error is returned when something cannot be read, or kCancelled. `quick` compares names
  // and sizes only.
  Result<VerifyReport> Run(bool quick, unsigned threads, VerifyProgress& progress, std::stop_token cancel) const;

 private:
  ManifestVerifier() = default;

  Status AddUnknown(VerifyReport& report) const;  // names that only one side has

  std::string directory_;
  FileDescriptor root_;
  Manifest manifest_;
};

}  // namespace shardfs
