#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>

#include "base/content_kind.h"
#include "base/json_error.h"
#include "base/json_survey.h"
#include "shardfs/base/json.h"

namespace shardfs {
namespace {

// Builds the value from the events of nlohmann's SAX reader. An event that breaks a rule returns false, which ends the
// parse, and status() tells.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view json, const JsonLimits& limits) : json_(json), limits_(limits) {}

  const Status& status() const { return status_; }
  JsonValue TakeRoot() { return std::move(root_); }

  bool null() { return Add(JsonValue::Null()); }
  bool boolean(bool value) { return Add(JsonValue::Bool(value)); }
  bool number_integer(std::int64_t value) { return Add(JsonValue::Integer(value)); }
  bool number_unsigned(std::uint64_t value) { return Add(JsonValue::Number(std::to_string(value))); }
  // Also integers of more than 64 bits: their digits have no '.', 'e' or 'E'.
  bool number_float(double, const std::string& text) { return Add(JsonValue::Number(text)); }
  bool string(std::string& value) { return Add(JsonValue::String(std::move(value))); }
  bool binary(nlohmann::json::binary_t&) { return Fail(Status::Corruption("binary data")); }  // JSON text has none

  bool start_object(std::size_t) { return Open(true); }
  bool start_array(std::size_t) { return Open(false); }
  bool key(std::string& name) {
    open_.back().key = std::move(name);
    return true;
  }
  bool end_array() { return Close(JsonValue::Array(std::move(open_.back().items))); }
  bool end_object();

  bool parse_error(std::size_t position, const std::string& last_token, const std::exception& error) {
    return Fail(Status::Corruption(DescribeJsonError(json_, position, last_token, error)));
  }

 private:
  // An object or array whose end has not come yet.
  struct Container {
    bool is_object = false;
    std::string key;  // of the member in progress
    std::vector<JsonValue> items;
    std::vector<JsonMember> members;
  };

  bool Fail(Status status) {
    status_ = std::move(status);
    return false;
  }

  bool Open(bool is_object) {
    if (open_.size() == limits_.max_depth) {
      return Fail(Status::NotSupported(fmt::format("nesting is deeper than {}", limits_.max_depth)));
    }
    open_.emplace_back().is_object = is_object;
    return true;
  }

  bool Close(JsonValue value) {
    open_.pop_back();
    return Add(std::move(value));
  }

  bool Add(JsonValue value) {
    if (++value_count_ > limits_.max_values) {
      return Fail(Status::NotSupported(fmt::format("more than {} values", limits_.max_values)));
    }
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Container& parent = open_.back(); parent.is_object) {
      parent.members.emplace_back(std::move(parent.key), std::move(value));
    } else {
      parent.items.push_back(std::move(value));
    }
    return true;
  }

  const std::string_view json_;
  const JsonLimits limits_;
  std::size_t value_count_ = 0;
  Status status_;
  JsonValue root_;
  std::vector<Container> open_;
};

bool JsonBuilder::end_object() {
  std::vector<JsonMember>& members = open_.back().members;
  std::vector<std::string_view> keys;
  keys.reserve(members.size());
  for (const JsonMember& member : members) keys.push_back(member.first);
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice != keys.end()) {
    return Fail(Status::Corruption(DescribeDuplicateKey(json_, *twice)));
  }
  return Close(JsonValue::Object(std::move(members)));
}

Result<JsonValue> Parse(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return Status::NotSupported(fmt::format("{} bytes are more than {}", text.size(), limits.max_bytes));
  }
  SHARDFS_RETURN_IF_ERROR(SurveyJson(text).status());
  JsonBuilder builder(text, limits);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return builder.status();
  return builder.TakeRoot();
}

}  // namespace

Result<JsonValue> ParseJson(std::string_view text, std::string_view what, const JsonLimits& limits) {
  const std::string context = fmt::format("'{}'", what);
  try {
    auto value = Parse(text, limits);
    if (value.ok()) return value;
    const ContentKind kind = RecogniseContent(text, text.size());
    if (!IsForeign(kind, ContentKind::kJson)) return value.status().WithContext(context);
    return Status::Corruption(fmt::format("{} {}", context, DescribeContentKind(kind)));
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(context + ": no memory for the document");
  } catch (const std::exception& error) {
    return Status::Corruption(fmt::format("{}: cannot be read: {}", context, error.what()));
  }
}

}  // namespace shardfs
