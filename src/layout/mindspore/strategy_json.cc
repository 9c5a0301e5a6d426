#include <fmt/format.h>

#include <limits>
#include <map>
#include <new>
#include <string>

#include "base/quote_name.h"
#include "layout/mindspore/strategy_file.h"
#include "layout/mindspore/strategy_merge.h"
#include "shardfs/base/file_digest.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

constexpr char kOperators[] = "parallel_strategy_item";
constexpr char kParameters[] = "parallel_layout_item";

// A whole number of the wanted type.
template <typename Number>
Result<Number> NumberOf(const JsonValue& value, std::string_view key) {
  const auto number = value.AsInt64();
  if (!number || *number < std::numeric_limits<Number>::min() || *number > std::numeric_limits<Number>::max()) {
    return Status::Corruption(fmt::format("its {} has what is no number from {} to {}", key,
                                          std::numeric_limits<Number>::min(), std::numeric_limits<Number>::max()));
  }
  return static_cast<Number>(*number);
}

template <typename Number>
Result<Number> MemberOr0(const JsonValue& object, std::string_view key) {
  const JsonValue* const value = object.Find(key);
  if (value == nullptr) return Number{0};
  return NumberOf<Number>(*value, key);
}

Result<ParameterLayout> LayoutOf(const JsonValue& from) {
  if (!from.is_object()) return Status::Corruption("it is no object");
  const JsonValue* const matrix = from.Find("dev_matrix");
  const JsonValue* const map = from.Find("tensor_map");
  if (matrix == nullptr || !matrix->is_array()) return Status::Corruption("it has no list dev_matrix");
  if (map == nullptr || !map->is_array()) return Status::Corruption("it has no list tensor_map");
  if (matrix->items().empty()) {
    return Status::Corruption("its device matrix is empty: the strategy is of pipeline parallelism only");
  }
  SHARDFS_ASSIGN_OR_RETURN(const auto field, MemberOr0<std::int32_t>(from, "field"));
  const JsonValue* const split = from.Find("param_split_shape");
  if (field > 0 || (split != nullptr && !split->items().empty())) {
    return Status::NotSupported(
        "it is an embedding table that was cut by hand (field, param_split_shape), which MindSpore's tools for "
        "safetensors do not cover either");
  }
  ParameterLayout layout;
  for (const JsonValue& dim : matrix->items()) {
    SHARDFS_ASSIGN_OR_RETURN(const auto number, NumberOf<std::uint32_t>(dim, "dev_matrix"));
    layout.device_matrix.push_back(number);
  }
  for (const JsonValue& axis : map->items()) {
    if (axis.is_array()) {
      return Status::NotSupported(
          "its tensor_map has a list for each axis, which MindSpore cannot read from JSON; save the strategy as .ckpt");
    }
    SHARDFS_ASSIGN_OR_RETURN(const auto number, NumberOf<std::int32_t>(axis, "tensor_map"));
    layout.tensor_map.push_back({number});
  }
  SHARDFS_ASSIGN_OR_RETURN(layout.shard_step, MemberOr0<std::int32_t>(from, "opt_weight_shard_step"));
  SHARDFS_ASSIGN_OR_RETURN(layout.shard_size, MemberOr0<std::int32_t>(from, "opt_weight_shard_size"));
  return layout;
}

Result<JsonValue> ParseDocument(std::string_view text) {
  if (text.empty()) return Status::Corruption("it is empty");
  SHARDFS_ASSIGN_OR_RETURN(JsonValue document, ParseJson(text, "the JSON", {.max_bytes = kMaxStrategyBytes}));
  if (!document.is_object()) return Status::Corruption("it holds no JSON object");
  return document;
}

const std::vector<JsonMember>& MembersOf(const JsonValue& document, std::string_view key) {
  static const std::vector<JsonMember> none;
  const JsonValue* const value = document.Find(key);
  return value == nullptr ? none : value->members();
}

Result<StrategyPtr> Parse(std::string_view text) {
  SHARDFS_ASSIGN_OR_RETURN(const JsonValue document, ParseDocument(text));
  std::vector<Strategy::Item> items;
  for (const auto& [name, value] : MembersOf(document, kParameters)) {
    auto layout = LayoutOf(value);
    if (!layout.ok()) return layout.status().WithContext(fmt::format("parameter {}", QuoteName(name)));
    items.push_back({name, std::move(layout).value()});
  }
  return Strategy::Create(std::move(items), {.is_json = true,
                                             .has_operators = !MembersOf(document, kOperators).empty(),
                                             .digest = FileDigest::OfBytes(std::as_bytes(std::span(text))).ToHex()});
}

// As Python's dict.update: a key that is known keeps its place.
class MergedMembers {
 public:
  void Put(std::string key, const JsonValue& value) {
    const auto [place, is_new] = places_.try_emplace(key, members_.size());
    if (is_new) {
      members_.emplace_back(std::move(key), value);
    } else {
      members_[place->second].second = value;
    }
  }
  std::vector<JsonMember> Take() { return std::move(members_); }

 private:
  std::map<std::string, std::size_t> places_;
  std::vector<JsonMember> members_;
};

class JsonMerger final : public StrategyMerger {
 public:
  Result<std::uint32_t> StageOf(std::string_view text) override {
    SHARDFS_ASSIGN_OR_RETURN(document_, ParseDocument(text));
    const auto& operators = MembersOf(document_, kOperators);
    if (operators.empty()) return Status::Corruption("it has no strategy of an operator");
    if (MembersOf(document_, kParameters).empty()) return Status::Corruption("it has the layout of no parameter");
    const JsonValue* const stage = operators.front().second.Find("stage");
    if (stage == nullptr) return Status::Corruption("its first operator has no stage");
    return NumberOf<std::uint32_t>(*stage, "stage");
  }

  void Take(std::uint32_t stage) override {
    for (const auto& [name, value] : MembersOf(document_, kOperators)) operators_.Put(name, value);
    for (const auto& [name, value] : MembersOf(document_, kParameters)) {
      parameters_.Put(fmt::format("{}-{}", stage, name), value);
    }
  }

  Result<std::string> Text() override {
    return DumpPythonJson(JsonValue::Object({{"current_stage", JsonValue::Integer(1)},
                                             {kOperators, JsonValue::Object(operators_.Take())},
                                             {kParameters, JsonValue::Object(parameters_.Take())}}),
                          {.indent = std::nullopt});
  }

 private:
  JsonValue document_;  // the file that StageOf has read
  MergedMembers operators_;
  MergedMembers parameters_;
};

}  // namespace

std::unique_ptr<StrategyMerger> MakeJsonMerger() { return std::make_unique<JsonMerger>(); }

Result<StrategyPtr> ParseJsonStrategy(std::string_view text, std::string_view what) {
  const std::string context = fmt::format("strategy {}", QuoteName(what));
  try {
    auto strategy = Parse(text);
    if (!strategy.ok()) return strategy.status().WithContext(context);
    return strategy;
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(context + ": no memory for it");
  }
}

}  // namespace shardfs
