#include "evaluator/packing.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace shardfs::evaluator {
namespace {

std::string Numbered(const char* format, std::uint64_t a, std::uint64_t b = 0) {
  char text[64];
  std::snprintf(text, sizeof text, format, static_cast<unsigned>(a), static_cast<unsigned>(b));
  return text;
}

std::string MoeFolder(const Rank& rank) { return Numbered("model-moe-tp-%03u-ep-%03u", rank.moe_tp, rank.moe_ep); }
std::string DenseFolder(const Rank& rank) { return Numbered("model-dense-tp-%03u", rank.attn_tp); }
std::string AttentionFolder(const Rank& rank) { return Numbered("model-attn-tp-%03u", rank.attn_tp); }
std::string RankFolder(const Rank& rank) { return Numbered("model-%03u", rank.rank); }

int DtypePlace(Dtype dtype) {
  const std::vector<Dtype> order = {Dtype::kI64, Dtype::kF32, Dtype::kI32, Dtype::kBF16, Dtype::kF16, Dtype::kI8};
  const auto found = std::find(order.begin(), order.end(), dtype);
  if (found == order.end()) throw std::logic_error("a dtype that is never saved");
  return static_cast<int>(found - order.begin());
}

bool Contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

std::set<std::string> FoldersOf(const Rank& rank) {
  return {MoeFolder(rank), DenseFolder(rank), AttentionFolder(rank), RankFolder(rank), "model-norm"};
}

std::string FolderOf(const Setting& setting, const Rank& rank, const Saved& saved) {
  if (Contains(saved.name, "norm")) return "model-norm";
  if (Contains(saved.name, "self_attn")) return AttentionFolder(rank);
  if (!Contains(saved.name, "mlp")) return RankFolder(rank);
  if (saved.layer.value() > 2) return MoeFolder(rank);
  // Here the sharder lets ranks that differ overwrite each other; it is refused before.
  const bool differs = setting.is_moe(*saved.layer) || setting.options.dense_mlp_local_tp > 1;
  return differs ? MoeFolder(rank) : DenseFolder(rank);
}

std::map<std::string, std::string> PackFiles(const StateDict& tensors, std::uint64_t max_shard_bytes) {
  std::vector<StateDict> shards;
  StateDict open;
  std::uint64_t open_bytes = 0;
  for (const Saved& saved : tensors) {
    const std::uint64_t size = saved.array.bytes.size();
    if (size > max_shard_bytes) {
      shards.push_back({saved});
      continue;
    }
    if (open_bytes + size > max_shard_bytes) {
      shards.push_back(std::move(open));
      open.clear();
      open_bytes = 0;
    }
    open.push_back(saved);
    open_bytes += size;
  }
  if (!open.empty()) shards.push_back(std::move(open));
  std::map<std::string, std::string> files;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name =
        shards.size() == 1 ? "model.safetensors" : Numbered("model-%05u-of-%05u.safetensors", i + 1, shards.size());
    files[name] = SafetensorsBytes(shards[i]);
  }
  return files;
}

std::string SafetensorsBytes(StateDict tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const Saved& a, const Saved& b) {
    const int place_a = DtypePlace(a.array.dtype);
    const int place_b = DtypePlace(b.array.dtype);
    return place_a != place_b ? place_a < place_b : a.name < b.name;
  });
  std::string json = R"({"__metadata__":{"format":"pt"})";
  std::string data;
  for (const Saved& saved : tensors) {
    json += ",\"" + saved.name + R"(":{"dtype":")" + std::string(DtypeName(saved.array.dtype)) + R"(","shape":[)";
    for (std::size_t axis = 0; axis < saved.array.shape.size(); ++axis) {
      json += (axis == 0 ? "" : ",") + std::to_string(saved.array.shape[axis]);
    }
    json += R"(],"data_offsets":[)" + std::to_string(data.size()) + ",";
    data += saved.array.bytes;
    json += std::to_string(data.size()) + "]}";
  }
  json += "}";
  while (json.size() % 8 != 0) json += ' ';
  const std::uint64_t length = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + json + data;
}

}  // namespace shardfs::evaluator
