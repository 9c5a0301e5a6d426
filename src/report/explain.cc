// A file of tensors is one plan, whose segments say how each byte comes about: copied, gathered by a pattern, computed.
// The range that is asked about is cut at the tensors of the file, the segments of each tensor are visited, and their
// source bytes are looked up in the headers of the source files, which gives the tensors that they belong to.
#include "report/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/escape_controls.h"
#include "base/quote_name.h"
#include "console/output.h"
#include "report/source_tensors.h"
#include "shardfs/base/format_bytes.h"
#include "view/explained_file.h"

namespace shardfs {
namespace {

using Kind = ExplainedPart::Kind;

Kind KindOf(PlanSegment::Kind kind) {
  constexpr std::array kKinds{Kind::kText, Kind::kZeros, Kind::kCopy, Kind::kGather, Kind::kComputed};
  return kKinds[static_cast<std::size_t>(kind)];
}

// Adds the names of what computes the segment, innermost first; an observer changes nothing.
void AddOperations(const PlanSegment& segment, std::vector<std::string>& operations) {
  if (segment.kind != PlanSegment::Kind::kCompute) return;
  const auto& kernel = *static_cast<const ComputeKernel*>(segment.detail.get());
  for (const ReadPlan* const input : kernel.inputs()) {
    for (const PlanSegment& below : input->segments()) AddOperations(below, operations);
  }
  const std::string name(kernel.name());
  const bool is_there = std::find(operations.begin(), operations.end(), name) != operations.end();
  if (name != "observation" && !is_there) operations.push_back(name);
}

std::string DescribePattern(const GatherPattern& pattern) {
  std::string text;
  for (const GatherDim& dim : pattern.dims) {
    text += dim.table ? fmt::format("{} listed places of ", dim.count)
                      : fmt::format("{} places {} bytes apart of ", dim.count, dim.stride);
  }
  return fmt::format("{}{} bytes each", text, pattern.run);
}

class Explainer {
 public:
  Explainer(const BuiltView& view, const CkptOptions& ckpt) : tensors_(view.checkpoint->sources(), ckpt) {}

  // The parts of [offset, offset + size) of the file.
  Result<std::vector<ExplainedPart>> Parts(const VirtualFile& file, std::uint64_t offset, std::uint64_t size) {
    std::vector<ExplainedPart> parts;
    const auto visit = [&](const FileSegment& piece) { parts.push_back(PartOf(piece)); };
    SHARDFS_RETURN_IF_ERROR(VisitSegments(file, offset, size, visit));
    return parts;
  }

 private:
  ExplainedPart PartOf(const FileSegment& piece) {
    const PlanSegment& segment = *piece.segment;
    ExplainedPart part{.kind = KindOf(segment.kind), .offset = piece.at, .bytes = piece.size};
    if (segment.kind == PlanSegment::Kind::kCopy) {
      AddSources({segment.source, segment.offset + piece.skip, piece.size}, nullptr, part);
    } else if (segment.kind == PlanSegment::Kind::kGather) {
      const auto& pattern = *static_cast<const GatherPattern*>(segment.detail.get());
      const auto [first, bytes] = pattern.Bounds(segment.offset + piece.skip, piece.size);
      part.pattern = DescribePattern(pattern);
      const bool is_whole = segment.offset == 0 && piece.size == pattern.size();
      AddSources({pattern.source, first, bytes}, is_whole ? &pattern : nullptr, part);
    } else if (segment.kind == PlanSegment::Kind::kCompute) {
      AddOperations(segment, part.operations);
      const auto& kernel = *static_cast<const ComputeKernel*>(segment.detail.get());
      std::vector<SourceSpan> spans;
      kernel.VisitSources(segment.offset + piece.skip, piece.size, [&](const SourceSpan& span) {
        // A kernel tells its sources run by run; what continues is one.
        if (!spans.empty() && spans.back().source == span.source &&
            spans.back().offset + spans.back().size == span.offset) {
          spans.back().size += span.size;
        } else {
          spans.push_back(span);
        }
      });
      for (const SourceSpan& span : spans) AddSources(span, nullptr, part);
    }
    return part;
  }

  // What belongs to the tensor before is put together with it: a thousand runs of one tensor are one source.
  void AddSources(const SourceSpan& span, const GatherPattern* pattern, ExplainedPart& part) {
    for (ExplainedSource& source : tensors_.Find(span, pattern)) {
      const auto same = std::find_if(part.sources.begin(), part.sources.end(), [&](const ExplainedSource& before) {
        return !source.tensor.empty() && before.file == source.file && before.tensor == source.tensor;
      });
      if (same == part.sources.end()) {
        part.sources.push_back(std::move(source));
        continue;
      }
      const std::uint64_t end = std::max(same->offset + same->bytes, source.offset + source.bytes);
      same->offset = std::min(same->offset, source.offset);
      same->bytes = end - same->offset;
      same->place.clear();
    }
  }

  SourceTensors tensors_;
};

Result<const VirtualFile*> FindFile(const VirtualTree& tree, const std::string& path) {
  NodeId id = kRootNode;
  const VirtualNode* node = &tree.node(kRootNode);
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t slash = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, slash - begin);
    begin = slash + 1;
    if (name.empty() || name == ".") continue;
    node = node->is_directory() ? tree.FindChild(id, name, &id) : nullptr;
    if (node == nullptr) {
      return Status::InvalidArgument(
          fmt::format("the view has no file {}; `shardfs plan` lists what it has", QuoteName(path)));
    }
  }
  if (!node->is_directory()) return node->file.get();
  return Status::InvalidArgument(
      fmt::format("{} is a folder of the view; give a file of it", QuoteName(path.empty() ? "." : path)));
}

// The range that a question is about, and whether whole tensors of it are meant.
Result<ExplainQuestion::Range> RangeOf(const VirtualFile& file, const ExplainQuestion& question) {
  if (!question.tensor.empty()) {
    for (const FileTensor& tensor : file.tensors()) {
      if (tensor.name == question.tensor) return ExplainQuestion::Range{tensor.begin, tensor.end - tensor.begin};
    }
    const std::string example = file.tensors().empty() ? "" : "; it has " + QuoteName(file.tensors().front().name);
    return Status::InvalidArgument(
        fmt::format("{} has no tensor {}{}", QuoteName(question.path), QuoteName(question.tensor), example));
  }
  if (!question.range) return ExplainQuestion::Range{0, file.size()};
  if (question.range->offset < file.size() && question.range->bytes <= file.size() - question.range->offset) {
    return *question.range;
  }
  return Status::InvalidArgument(fmt::format("--range {}:{} reaches beyond {}, which has {} bytes",
                                             question.range->offset, question.range->bytes, QuoteName(question.path),
                                             file.size()));
}

}  // namespace

std::string_view ExplainedPartName(ExplainedPart::Kind kind) {
  constexpr std::array<std::string_view, 5> kNames{"text", "zeros", "copy", "gather", "computed"};
  return kNames[static_cast<std::size_t>(kind)];
}

Result<FileExplanation> Explain(const BuiltView& view, const CkptOptions& ckpt, const ExplainQuestion& question) {
  SHARDFS_ASSIGN_OR_RETURN(const VirtualFile* const file, FindFile(*view.view.tree, question.path));
  SHARDFS_ASSIGN_OR_RETURN(const ExplainQuestion::Range range, RangeOf(*file, question));
  FileExplanation explanation{.path = question.path,
                              .kind = std::string(FileKindName(file->kind())),
                              .size = file->size(),
                              .source = view.checkpoint->path(),
                              .layout = view.layout,
                              .transforms = {},
                              .source_bytes = {},
                              .tensors = {}};
  for (const AppliedTransform& transform : view.checkpoint->transforms()) {
    explanation.transforms.push_back(transform.name + ": " + transform.account);
  }
  Explainer explainer(view, ckpt);
  const std::uint64_t end = range.offset + range.bytes;
  std::uint64_t at = range.offset;
  const auto add = [&](ExplainedTensor tensor, std::uint64_t until) -> Status {
    if (at >= until) return Status::Ok();
    SHARDFS_ASSIGN_OR_RETURN(tensor.parts, explainer.Parts(*file, at, until - at));
    at = until;
    explanation.tensors.push_back(std::move(tensor));
    return Status::Ok();
  };
  for (const FileTensor& tensor : file->tensors()) {
    if (tensor.end <= at || tensor.begin >= end) continue;
    SHARDFS_RETURN_IF_ERROR(add({"", "", at, tensor.begin, {}}, tensor.begin));
    const std::string type = fmt::format("{} {}", DtypeName(tensor.dtype), ShapeToString(tensor.shape));
    SHARDFS_RETURN_IF_ERROR(add({tensor.name, type, tensor.begin, tensor.end, {}}, std::min(end, tensor.end)));
  }
  SHARDFS_RETURN_IF_ERROR(add({"", "", at, end, {}}, end));
  file->VisitSources(range.offset, range.bytes, [&explanation](const SourceSpan& span) {
    explanation.source_bytes[span.source->name()] += span.size;
  });
  return explanation;
}

namespace {

std::string DescribeSource(const ExplainedSource& source) {
  std::string text =
      fmt::format("{} bytes {} to {}", EscapeControls(source.file), source.offset, source.offset + source.bytes - 1);
  if (!source.tensor.empty()) text += fmt::format(": {} {}", QuoteName(source.tensor), source.type);
  if (!source.place.empty()) text += ", " + source.place;
  return text;
}

std::string DescribePart(const ExplainedPart& part) {
  switch (part.kind) {
    case Kind::kText:
      return "text that the layout makes";
    case Kind::kZeros:
      return "zeros";
    case Kind::kCopy:
      return "copy";
    case Kind::kGather:
      return "gather of " + part.pattern;
    case Kind::kComputed:
      return fmt::format("computed ({})", fmt::join(part.operations, ", then "));
  }
  return "";
}

// All parts with all of their sources.
std::string FormatParts(const ExplainedTensor& tensor) {
  std::string text;
  for (const ExplainedPart& part : tensor.parts) {
    text += fmt::format("  bytes {} to {}: {}\n", part.offset, part.offset + part.bytes - 1, DescribePart(part));
    for (const ExplainedSource& source : part.sources) text += fmt::format("    {}\n", DescribeSource(source));
  }
  return text;
}

// "copy of 'a' in model-1.safetensors"
std::string FormatShort(const ExplainedTensor& tensor) {
  constexpr std::size_t kShown = 3;
  std::set<std::string> ways;
  std::vector<std::string> origins;
  for (const ExplainedPart& part : tensor.parts) {
    ways.insert(part.kind == Kind::kComputed ? fmt::format("computed ({})", fmt::join(part.operations, ", then "))
                                             : std::string(ExplainedPartName(part.kind)));
    for (const ExplainedSource& source : part.sources) {
      const std::string origin = (source.tensor.empty() ? "" : QuoteName(source.tensor) + " in ") + source.file;
      if (std::find(origins.begin(), origins.end(), origin) == origins.end()) origins.push_back(origin);
    }
  }
  std::string text = fmt::format("{}", fmt::join(ways, " and "));
  for (std::size_t i = 0; i < std::min(kShown, origins.size()); ++i) text += (i == 0 ? " of " : ", ") + origins[i];
  if (origins.size() > kShown) text += fmt::format(" and {} more", origins.size() - kShown);
  return text;
}

}  // namespace

std::string FormatExplanation(const FileExplanation& explanation, const ExplainQuestion& question) {
  std::string text =
      fmt::format("{}: {}, {} ({} bytes), of {} in layout {}\n", explanation.path, explanation.kind,
                  FormatBytes(explanation.size), explanation.size, explanation.source, explanation.layout);
  for (const std::string& transform : explanation.transforms) text += fmt::format("  transformed: {}\n", transform);
  for (const auto& [file, bytes] : explanation.source_bytes) {
    text += fmt::format("  from {}: {} ({} bytes)\n", file, FormatBytes(bytes), bytes);
  }
  const bool is_whole = question.tensor.empty() && !question.range;
  for (const ExplainedTensor& tensor : explanation.tensors) {
    const std::string name = tensor.name.empty() ? "outside of tensors" : QuoteName(tensor.name) + " " + tensor.type;
    const std::string where = fmt::format("{}, bytes {} to {}", name, tensor.begin, tensor.end - 1);
    text += is_whole ? fmt::format("{}: {}\n", where, FormatShort(tensor)) : where + "\n" + FormatParts(tensor);
  }
  return text;
}

nlohmann::ordered_json ExplanationToJson(const FileExplanation& explanation) {
  using Json = nlohmann::ordered_json;
  Json json = {{"path", explanation.path},     {"kind", explanation.kind},     {"bytes", explanation.size},
               {"source", explanation.source}, {"layout", explanation.layout}, {"transforms", explanation.transforms}};
  json["source_bytes"] = Json::object();
  for (const auto& [file, bytes] : explanation.source_bytes) json["source_bytes"][file] = bytes;
  json["tensors"] = Json::array();
  for (const ExplainedTensor& tensor : explanation.tensors) {
    Json one = {{"name", tensor.name.empty() ? Json() : Json(tensor.name)},
                {"type", tensor.type.empty() ? Json() : Json(tensor.type)},
                {"begin", tensor.begin},
                {"end", tensor.end},
                {"parts", Json::array()}};
    for (const ExplainedPart& part : tensor.parts) {
      Json piece = {{"offset", part.offset}, {"bytes", part.bytes}, {"kind", ExplainedPartName(part.kind)}};
      if (!part.operations.empty()) piece["operations"] = part.operations;
      if (!part.pattern.empty()) piece["pattern"] = part.pattern;
      piece["sources"] = Json::array();
      for (const ExplainedSource& source : part.sources) {
        Json from = {{"file", source.file}, {"offset", source.offset}, {"bytes", source.bytes}};
        if (!source.tensor.empty()) from["tensor"] = source.tensor;
        if (!source.type.empty()) from["type"] = source.type;
        if (!source.place.empty()) from["place"] = source.place;
        piece["sources"].push_back(std::move(from));
      }
      one["parts"].push_back(std::move(piece));
    }
    json["tensors"].push_back(std::move(one));
  }
  return json;
}

}  // namespace shardfs
