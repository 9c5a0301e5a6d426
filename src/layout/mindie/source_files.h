// Which files of the source count. MindIE opens every *.safetensors file, takes the tensors that it asks for by name, and
// never reads an index; so does this layout. Here is what is said of an index that disagrees, of a file that no layer
// needs, and of tensors that are missing.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

// Files with tensors that no rule knows, and none that a layer needs: a rotation, an adapter, a merged copy.
// Not thread-safe; the checkpoint must outlive it.
class ExtraFiles {
 public:
  // `needed`: the files that hold a tensor that is shown.
  ExtraFiles(const Checkpoint& checkpoint, std::set<std::string_view> needed);

  // Takes a tensor that no rule knows. False where its file is needed: then the tensor is the caller's to refuse.
  bool Add(const TensorSpec& tensor);

  // Whether an index says that the file is no part of the model: it names a file that is needed, and no index names this
  // one. A file with a tensor of a layer is never left out so: the configuration may have too few.
  bool IsLeftOut(std::string_view file) const;

  const std::map<std::string_view, std::vector<const TensorSpec*>>& files() const { return files_; }

  // A sentence for each file: that it is left out, or why it is refused and what to do.
  std::vector<std::string> Warnings() const { return Sentences(true); }
  std::vector<std::string> Refusals() const { return Sentences(false); }

 private:
  std::vector<std::string> Sentences(bool left_out) const;
  bool AnyIndexNames(std::string_view file) const;

  const Checkpoint& checkpoint_;
  const std::set<std::string_view> needed_;
  bool index_is_about_these_ = false;  // an index names a needed file
  std::map<std::string_view, std::vector<const TensorSpec*>> files_;
};

// A warning for each index that disagrees with the headers; that it does not map the tensors of `left_out` is right.
std::vector<std::string> IndexWarnings(const Checkpoint& checkpoint, const ExtraFiles& left_out);

// What the indices say of tensors that are missing, "" where they say nothing: whether the files are incomplete, or
// neither files nor index have them. `missing`: their names; `mtp_prefix`: of the names of an MTP layer that is missing
// as a whole, or "".
std::string ExplainMissing(const Checkpoint& checkpoint, const std::vector<std::string>& missing,
                           const std::string& mtp_prefix);

}  // namespace shardfs
