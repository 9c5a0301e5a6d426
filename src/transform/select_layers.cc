// Renumbering a configuration: of its n layers those in K stay. Counts become the number of members of K that they
// cover, lists of n entries keep the entries of K, lists of layers keep K's members under their new numbers; layers
// from n on (MTP) are counted by a key of their own. All else stays as it is, in its place.
#include "transform/select_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/parse_number.h"

namespace shardfs {
namespace {

// Far more than any model has: bounds the memory that a range can ask for.
constexpr std::uint64_t kMaxLayer = 100'000;

Status Refuse(std::string_view sentence) { return Status::InvalidArgument(fmt::format("renumber: {}", sentence)); }

std::optional<std::pair<std::uint64_t, std::uint64_t>> ParseItem(std::string_view item) {
  const std::size_t dash = item.find('-');
  const auto first = ParseNumber<std::uint64_t>(item.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : ParseNumber<std::uint64_t>(item.substr(dash + 1));
  if (!first || !last || *first > *last || *last > kMaxLayer) return std::nullopt;
  return std::pair(*first, *last);
}

class ConfigRenumberer {
 public:
  ConfigRenumberer(const JsonValue& config, std::uint64_t layers, const std::set<std::uint64_t>& kept)
      : config_(config), layers_(layers) {
    for (const std::uint64_t layer : kept) (layer < layers ? in_model_ : behind_).push_back(layer);
  }

  Result<JsonValue> Run() {
    SHARDFS_RETURN_IF_ERROR(CheckNothingDependsOnNumbers());
    Put("num_hidden_layers", in_model_.size());
    const JsonValue* const dense = config_.Find("first_k_dense_replace");
    if (dense != nullptr && dense->AsInt64()) {
      const auto limit = *dense->AsInt64();
      Put("first_k_dense_replace",
          static_cast<std::size_t>(std::count_if(in_model_.begin(), in_model_.end(), [&](std::uint64_t layer) {
            return limit > 0 && layer < static_cast<std::uint64_t>(limit);
          })));
    }
    if (config_.Find("num_nextn_predict_layers") != nullptr) Put("num_nextn_predict_layers", behind_.size());
    for (const char* key : {"layer_types", "mlp_layer_types", "no_rope_layers"}) {
      SHARDFS_RETURN_IF_ERROR(KeepEntries(key));
    }
    SHARDFS_RETURN_IF_ERROR(RenumberMembers("mlp_only_layers"));
    return config_;
  }

 private:
  Status CheckNothingDependsOnNumbers() const {
    for (const char* key : {"moe_layer_freq", "decoder_sparse_step"}) {
      const JsonValue* const value = config_.Find(key);
      if (value == nullptr || value->is_null() || value->AsInt64() == 1) continue;
      return Refuse(fmt::format("{} is {}, which depends on the number of a layer", key,
                                value->is_integer() ? value->text() : "not 1"));
    }
    const JsonValue* const sliding = config_.Find("use_sliding_window");
    const JsonValue* const windows = config_.Find("max_window_layers");
    if (sliding != nullptr && sliding->AsBool() == true && windows != nullptr && !windows->is_null()) {
      return Refuse("use_sliding_window is true with max_window_layers, which depends on the number of a layer");
    }
    return Status::Ok();
  }

  void Put(std::string_view key, std::size_t count) {
    config_ = config_.WithMember(key, JsonValue::Integer(static_cast<std::int64_t>(count)));
  }

  Status KeepEntries(std::string_view key) {
    const JsonValue* const list = config_.Find(key);
    if (list == nullptr || list->is_null()) return Status::Ok();
    if (!list->is_array() || list->items().size() != layers_) {
      return Refuse(fmt::format("{} has {} entries, and num_hidden_layers is {}", key, list->items().size(), layers_));
    }
    std::vector<JsonValue> entries;
    for (const std::uint64_t layer : in_model_) entries.push_back(list->items()[layer]);
    config_ = config_.WithMember(key, JsonValue::Array(std::move(entries)));
    return Status::Ok();
  }

  Status RenumberMembers(std::string_view key) {
    const JsonValue* const list = config_.Find(key);
    if (list == nullptr || list->is_null()) return Status::Ok();
    std::vector<JsonValue> members;
    for (const JsonValue& item : list->items()) {
      const auto layer = item.AsInt64();
      if (!layer) return Refuse(fmt::format("{} holds an entry that is no layer number", key));
      const auto at = std::find(in_model_.begin(), in_model_.end(), static_cast<std::uint64_t>(*layer));
      if (at != in_model_.end()) members.push_back(JsonValue::Integer(at - in_model_.begin()));
    }
    config_ = config_.WithMember(key, JsonValue::Array(std::move(members)));
    return Status::Ok();
  }

  JsonValue config_;
  const std::uint64_t layers_;
  std::vector<std::uint64_t> in_model_;  // kept layers below layers_, ascending
  std::vector<std::uint64_t> behind_;    // kept layers from layers_ on: MTP
};

}  // namespace

Result<std::set<std::uint64_t>> ParseLayers(std::string_view text) {
  std::set<std::uint64_t> layers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    const auto range = ParseItem(item);
    if (!range) {
      return Status::InvalidArgument(fmt::format("layers '{}': '{}' is no layer and no range", text, item));
    }
    for (std::uint64_t layer = range->first; layer <= range->second; ++layer) layers.insert(layer);
    begin = end + 1;
  }
  return layers;
}

Result<std::string> RenumberConfig(const JsonValue& config, const std::set<std::uint64_t>& kept) {
  const JsonValue* const layers = config.Find("num_hidden_layers");
  const auto count = layers == nullptr ? std::nullopt : layers->AsInt64();
  if (!count || *count < 0) return Refuse("config.json has no num_hidden_layers at its top level");
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue renumbered,
                           ConfigRenumberer(config, static_cast<std::uint64_t>(*count), kept).Run());
  return DumpPythonJson(renumbered, {.indent = 2, .ensure_ascii = false}) + "\n";
}

}  // namespace shardfs
