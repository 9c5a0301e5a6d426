// What the layouts `safetensors` and `ckpt` have in common: the source's files one by one, in another format, under
// other names. (spec/mindspore-ckpt.md, section 5)
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "layout/file_by_file/name_filter.h"
#include "shardfs/checkpoint/checkpoint.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"
#include "shardfs/view/view.h"

namespace shardfs {

inline constexpr std::array<OptionSpec, 3> kFileByFileOptions = {{
    {"name_map",
     OptionKind::kFile,
     "FILE",
     "JSON object of old names to new names of parameters",
     "none",
     {},
     {},
     false,
     true},
    kFileNameRegex,
    {"file_name", OptionKind::kText, "NAME", "Name of the file where one is shown",
     "the source's, or merged_lora.ckpt"},
}};

// A tensor of a file that is shown.
struct ShownTensor {
  std::uint32_t index = 0;  // in ShownFile::tensors
  std::string name;         // the new one
  bool is_int4 = false;
};

// A file that is shown.
struct ShownFile {
  std::string path;  // in the view
  StateDictPtr tensors;
  std::vector<ShownTensor> shown;  // in the order of the source; by old name where that is a safetensors file
};

class FileByFile {
 public:
  // `extension` of the files that are shown: ".ckpt". kInvalidArgument for options that do not fit the source,
  // kNotSupported where a name would stand twice in a file.
  static Result<FileByFile> Create(const CheckpointPtr& checkpoint, const OptionValues& values,
                                   std::string_view extension);

  std::vector<ShownFile>& files() { return files_; }

  // The view, once `make` has made each of the files. `options`: the layout's own in force, beside the common ones.
  using MakeFile = std::function<Result<std::unique_ptr<const VirtualFile>>(const ShownFile&)>;
  Result<View> Build(std::string_view layout, const MakeFile& make, OptionPairs options);

 private:
  using NameMap = std::unordered_map<std::string, std::string>;

  explicit FileByFile(CheckpointPtr checkpoint) : checkpoint_(std::move(checkpoint)) {}

  Status ReadNameMap(const OptionValues& values);
  Status AddParts(std::string_view extension);
  Status AddWhole(std::string_view extension);
  Status AddFile(std::string path, StateDictPtr tensors, const FileMetadata& metadata, bool by_name);

  CheckpointPtr checkpoint_;
  NameMap name_map_;
  std::string name_map_digest_;  // of the file's text, which decides bytes; empty where there is none
  NameFilter filter_;
  std::string file_name_;  // empty where it is not given
  std::vector<ShownFile> files_;
};

}  // namespace shardfs
