// What a file of a view, one of its tensors or a range of its bytes is made of: source files, their tensors, and what
// is done to them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/ckpt_options.h"
#include "pipeline/build_view.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Bytes of a source file that a part is made of.
struct ExplainedSource {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  // from the first to the last; runs at strides leave bytes out
  std::string tensor{};     // that they belong to; empty for bytes of no tensor
  std::string type{};       // of that tensor: "BF16 [7168, 1536]"
  std::string place{};      // within it: "axis 0: 128 to 255 of 7168"
};

// A run of bytes of the view's file that comes about in one way.
struct ExplainedPart {
  enum class Kind : std::uint8_t { kText, kZeros, kCopy, kGather, kComputed };

  Kind kind = Kind::kText;
  std::uint64_t offset = 0;  // in the view's file
  std::uint64_t bytes = 0;
  std::vector<std::string> operations{};  // kComputed: from the source to the file
  std::string pattern{};                  // kGather: "7168 runs of 256 bytes, 3072 bytes apart"
  std::vector<ExplainedSource> sources{};
};

std::string_view ExplainedPartName(ExplainedPart::Kind kind);  // "copy"

struct ExplainedTensor {
  std::string name;  // empty for what lies outside of tensors
  std::string type;  // "BF16 [7168, 1536]"
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::vector<ExplainedPart> parts;
};

struct FileExplanation {
  std::string path;
  std::string kind;  // FileKindName
  std::uint64_t size = 0;
  std::string source;  // the checkpoint's directory
  std::string layout;
  std::vector<std::string> transforms;                // what each has done
  std::map<std::string, std::uint64_t> source_bytes;  // of the range that was asked for, by source file
  std::vector<ExplainedTensor> tensors;               // those of that range, in the file's order
};

// The question: about the whole file, a tensor of it, or a range.
struct ExplainQuestion {
  std::string path;
  std::string tensor{};  // empty for none
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  std::optional<Range> range{};
};

// kInvalidArgument where the view has no such file, the file no such tensor, or the range lies outside of it.
Result<FileExplanation> Explain(const BuiltView& view, const CkptOptions& ckpt, const ExplainQuestion& question);

// The explanation for a person: a whole file has a line for each tensor, anything else has all of it.
std::string FormatExplanation(const FileExplanation& explanation, const ExplainQuestion& question);
nlohmann::ordered_json ExplanationToJson(const FileExplanation& explanation);

}  // namespace shardfs
