#include "layout/mindie/offset_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/escape_controls.h"
#include "base/parallel.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxNamed = 10;

// Whether a tensor of floats of `width` bytes has an element other than zero of either sign.
bool HasNonzero(const std::vector<std::byte>& bytes, std::uint32_t width) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool has_sign = i % width == width - 1;  // little-endian: the sign is in an element's last byte
    if ((static_cast<unsigned>(bytes[i]) & (has_sign ? 0x7fu : 0xffu)) != 0) return true;
  }
  return false;
}

struct Offset {
  NodeId file;
  const FileTensor* tensor;
};

}  // namespace

Result<OffsetCheck> CheckOffsets(const VirtualTree& tree) {
  std::vector<Offset> offsets;
  for (NodeId id = 0; id < tree.size(); ++id) {
    if (tree.node(id).is_directory()) continue;
    for (const FileTensor& tensor : tree.node(id).file->tensors()) {
      if (tensor.name.ends_with(".weight_offset")) offsets.push_back({id, &tensor});
    }
  }
  std::vector<Status> statuses(offsets.size());
  std::vector<char> nonzero(offsets.size(), 0);
  ParallelFor(offsets.size(), [&](std::size_t i) {
    const Offset& offset = offsets[i];
    std::vector<std::byte> bytes(offset.tensor->end - offset.tensor->begin);
    statuses[i] = tree.node(offset.file).file->ReadAt(offset.tensor->begin, bytes);
    nonzero[i] = statuses[i].ok() && HasNonzero(bytes, DtypeBytes(offset.tensor->dtype)) ? 1 : 0;
  });
  OffsetCheck check;
  check.tensors = offsets.size();
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::string name = tree.PathOf(offsets[i].file) + ": " + offsets[i].tensor->name;
    if (!statuses[i].ok()) return statuses[i].WithContext(name);
    if (nonzero[i] == 0) continue;
    if (++check.nonzero_tensors <= kMaxNamed) check.first.push_back(name);
  }
  return check;
}

std::string FormatOffsetCheck(const OffsetCheck& check) {
  if (check.nonzero_tensors == 0) {
    return fmt::format("Offsets: all {} weight_offset tensors are zero\n", check.tensors);
  }
  std::string text = fmt::format(
      "Offsets: {} of {} weight_offset tensors are not zero, and load right only with "
      "-O fidelity=loader\n",
      check.nonzero_tensors, check.tensors);
  for (const std::string& name : check.first) text += "  " + EscapeControls(name) + "\n";
  if (check.nonzero_tensors > check.first.size()) {
    text += fmt::format("  and {} more\n", check.nonzero_tensors - check.first.size());
  }
  return text;
}

ContentCheck MakeOffsetCheck(std::shared_ptr<const VirtualTree> tree) {
  return {"offsets", [tree = std::move(tree)]() -> Result<CheckAnswer> {
            SHARDFS_ASSIGN_OR_RETURN(OffsetCheck check, CheckOffsets(*tree));
            return CheckAnswer{FormatOffsetCheck(check),
                               {{"tensors", check.tensors}, {"nonzero_tensors", check.nonzero_tensors}},
                               "first_nonzero",
                               std::move(check.first),
                               false};
          }};
}

}  // namespace shardfs
