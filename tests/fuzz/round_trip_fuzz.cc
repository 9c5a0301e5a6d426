// What we write, read by our own readers. The first byte of the input chooses the document:
//   0  a safetensors header of any tensors (the rest: choices of them)
//   1  JSON parsed and written again as Python writes it (the rest: its text)
//   2  model_sharded_metadata.json (the rest: choices of sizes and of names, which may be any bytes)
#include <charconv>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "fuzz/fuzz_target.h"
#include "layout/mindie/config/parallel_config.h"
#include "layout/mindie/json_files.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs::testing {
namespace {

void RoundTripHeader(FuzzChoices choices) {
  std::vector<NewTensor> tensors(choices.Below(6));
  for (NewTensor& tensor : tensors) {
    tensor.name = choices.Take(choices.Below(16) == 0 ? 4090 + choices.Below(10) : choices.Below(8));
    tensor.dtype = static_cast<Dtype>(choices.Below(static_cast<std::uint64_t>(Dtype::kU64) + 1));
    tensor.shape.resize(choices.Below(19));
    for (std::uint64_t& size : tensor.shape)
      size = choices.Below(2) == 0 ? choices.Below(5) : choices.Below(1ull << 50);
  }
  const auto written = SerializeHeader(tensors);
  if (!written.ok()) {
    SHARDFS_FUZZ_CHECK(written.status().code() == StatusCode::kInvalidArgument);
    return;
  }
  SHARDFS_FUZZ_CHECK(written->bytes.size() % 8 == 0);
  const auto read = ParseHeader(std::as_bytes(std::span(written->bytes)), written->file_size, "written");
  SHARDFS_FUZZ_CHECK(read.ok() && read->data_aligned && read->tensors.size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const NewTensor& given = tensors[written->order[i]];
    const HeaderTensor& entry = read->tensors[i];
    SHARDFS_FUZZ_CHECK(entry.name == given.name && entry.dtype == given.dtype && entry.shape == given.shape);
    SHARDFS_FUZZ_CHECK(read->data_offset + entry.begin == written->offsets[i]);
  }
}

double AsDouble(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

void CheckEqual(const JsonValue& a, const JsonValue& b) {
  SHARDFS_FUZZ_CHECK(a.type() == b.type());
  if (a.type() == JsonValue::Type::kFloat) {
    const double left = AsDouble(a.text());
    const double right = AsDouble(b.text());
    SHARDFS_FUZZ_CHECK(std::memcmp(&left, &right, sizeof left) == 0);
  } else {
    SHARDFS_FUZZ_CHECK(a.text() == b.text() && a.AsBool() == b.AsBool());
  }
  SHARDFS_FUZZ_CHECK(a.items().size() == b.items().size() && a.members().size() == b.members().size());
  for (std::size_t i = 0; i < a.items().size(); ++i) CheckEqual(a.items()[i], b.items()[i]);
  for (std::size_t i = 0; i < a.members().size(); ++i) {
    SHARDFS_FUZZ_CHECK(a.members()[i].first == b.members()[i].first);
    CheckEqual(a.members()[i].second, b.members()[i].second);
  }
}

void RoundTripJson(std::string_view text) {
  const auto value = ParseJson(text, "given");
  if (!value.ok()) return;
  const std::string written = DumpPythonJson(*value);
  const auto read = ParseJson(written, "written");
  SHARDFS_FUZZ_CHECK(read.ok());
  CheckEqual(*value, *read);
  SHARDFS_FUZZ_CHECK(DumpPythonJson(*read) == written);
}

void RoundTripMetadata(FuzzChoices choices) {
  ParallelConfig config;
  config.dp = std::int64_t{1} << choices.Below(3);
  config.tp = std::int64_t{1} << choices.Below(4);
  config.moe_ep = std::int64_t{1} << choices.Below(4);
  const auto mapping = MindieMapping::Create(config);
  if (!mapping.ok()) return;
  std::map<std::string, std::vector<std::string>> files;
  std::vector<std::string> root;
  while (!choices.empty()) {
    const std::string name(choices.Take(choices.Below(12)));
    if (choices.Below(4) == 0) {
      root.push_back(name);
    } else {
      files["model-" + std::to_string(choices.Below(4))].push_back(name);
    }
  }
  const auto fidelity = choices.Below(2) == 0 ? MindieFidelity::kSharder : MindieFidelity::kLoader;
  const auto read = ParseJson(MindieMetadataJson(*mapping, fidelity, root, files), "written");
  SHARDFS_FUZZ_CHECK(read.ok());
  SHARDFS_FUZZ_CHECK(read->Find("world_size")->AsInt64() == mapping->world_size());
  const JsonValue* folders = read->Find("model_sharded");
  SHARDFS_FUZZ_CHECK(folders != nullptr && folders->members().size() == files.size() + 1);
  SHARDFS_FUZZ_CHECK(folders->Find(".")->items().size() == root.size());
  for (const auto& [folder, names] : files) SHARDFS_FUZZ_CHECK(folders->Find(folder)->items().size() == names.size());
}

}  // namespace
}  // namespace shardfs::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shardfs::testing;
  if (size == 0) return 0;
  switch (data[0] % 3) {
    case 0:
      RoundTripHeader(FuzzChoices(data + 1, size - 1));
      break;
    case 1:
      RoundTripJson(AsText(data + 1, size - 1));
      break;
    default:
      RoundTripMetadata(FuzzChoices(data + 1, size - 1));
      break;
  }
  return 0;
}
