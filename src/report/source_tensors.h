// SourceTensors: which tensor of a source file holds a byte. Opens a file's header when it is first asked about it.
// Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "checkpoint/ckpt_options.h"
#include "checkpoint/weights_file.h"
#include "report/explain.h"
#include "shardfs/source/source_set.h"
#include "tensor/plan_segments.h"
#include "verify/file_pass.h"

namespace shardfs {

class SourceTensors {
 public:
  SourceTensors(const SourceSet& sources, const CkptOptions& options) : sources_(sources), options_(options) {}

  // The bytes with the tensors that they belong to, one after the other. `pattern` says which of them a gather takes;
  // it may be null.
  std::vector<ExplainedSource> Find(const SourceSpan& span, const GatherPattern* pattern);

 private:
  struct Opened {
    std::shared_ptr<const SourceRoot> root;
    WeightsFile weights;
    FileLayout layout;
  };
  const Opened* Open(const std::string& name);  // nullptr where it is no weights file

  const SourceSet& sources_;
  const CkptOptions& options_;
  std::map<std::string, std::unique_ptr<const Opened>, std::less<>> opened_;
};

}  // namespace shardfs
