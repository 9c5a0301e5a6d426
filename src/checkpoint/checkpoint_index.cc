#include "checkpoint/checkpoint_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/content_kind.h"
#include "base/json_error.h"
#include "base/json_survey.h"
#include "base/quote_name.h"
#include "checkpoint/directory_listing.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxDepth = 16;  // of the parts that are passed over

// What keeps `name` from being that of a shard, or nullptr.
const char* WhyNoShard(std::string_view name) {
  if (IsShardName(name)) return nullptr;
  if (!IsPlainName(name)) return "which is not the plain name of a file in the directory";
  if (!name.ends_with(".safetensors")) return "which does not end in .safetensors";
  return "which begins with a dot, and hidden files are not read";
}

// The SAX events of an index, as nlohmann's interface names them.
class IndexHandler {
 public:
  IndexHandler(std::string_view json, CheckpointIndex& index) : json_(json), index_(index) {}

  const Status& status() const { return status_; }
  bool has_weight_map() const { return has_weight_map_; }

  bool null() { return Other("null"); }
  bool boolean(bool) { return Other("a boolean"); }
  bool number_integer(std::int64_t) { return Other("a number"); }
  bool number_unsigned(std::uint64_t) { return Other("a number"); }
  bool number_float(double, const std::string&) { return Other("a number"); }
  bool binary(nlohmann::json::binary_t&) { return Other("binary data"); }
  bool string(std::string& value);
  bool key(std::string& name);
  bool start_object(std::size_t);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array() {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& last_token, const std::exception& error) {
    return Fail(Status::Corruption(DescribeJsonError(json_, position, last_token, error)));
  }

 private:
  bool Fail(Status status) {
    status_ = std::move(status);
    return false;
  }
  bool Enter();
  bool Other(std::string_view what);  // a value that is neither a string nor an object

  const std::string_view json_;
  CheckpointIndex& index_;
  Status status_;
  std::size_t depth_ = 0;
  bool has_weight_map_ = false;
  bool at_weight_map_ = false;  // its key has been read, its value not yet
  bool in_weight_map_ = false;
  std::string tensor_;  // the key whose value is next
  std::unordered_map<std::string, std::uint32_t> file_numbers_;
};

bool IndexHandler::Enter() {
  if (depth_ == kMaxDepth) return Fail(Status::Corruption(fmt::format("nesting is deeper than {}", kMaxDepth)));
  ++depth_;
  return true;
}

bool IndexHandler::Other(std::string_view what) {
  if (depth_ == 0) return Fail(Status::Corruption(fmt::format("the index is {} instead of an object", what)));
  if (at_weight_map_) return Fail(Status::Corruption(fmt::format("weight_map is {} instead of an object", what)));
  if (in_weight_map_) {
    return Fail(Status::Corruption(
        fmt::format("weight_map gives {} for tensor {} instead of a file name", what, QuoteName(tensor_))));
  }
  return true;
}

bool IndexHandler::string(std::string& value) {
  if (!in_weight_map_) return Other("a string");
  const auto next = static_cast<std::uint32_t>(index_.files.size());
  const auto [file, is_new] = file_numbers_.try_emplace(value, next);
  if (is_new) {
    if (next == kMaxIndexFiles) {
      return Fail(Status::NotSupported(fmt::format("weight_map names more than {} files", kMaxIndexFiles)));
    }
    if (const char* reason = WhyNoShard(value)) {
      return Fail(Status::Corruption(
          fmt::format("weight_map gives {} for tensor {}, {}", QuoteName(value), QuoteName(tensor_), reason)));
    }
    index_.files.push_back(value);
  }
  if (index_.weight_map.size() == kMaxIndexEntries) {
    return Fail(Status::NotSupported(fmt::format("weight_map has more than {} tensors", kMaxIndexEntries)));
  }
  const auto position = static_cast<std::uint32_t>(index_.weight_map.size());
  index_.weight_map.push_back({tensor_, file->second, position});
  return true;
}

bool IndexHandler::key(std::string& name) {
  if (in_weight_map_) {
    tensor_ = name;
  } else if (depth_ == 1) {
    at_weight_map_ = name == "weight_map";
    if (at_weight_map_ && has_weight_map_) return Fail(Status::Corruption("weight_map stands twice"));
  }
  return true;
}

bool IndexHandler::start_object(std::size_t) {
  if (in_weight_map_) return Other("an object");
  if (at_weight_map_) {
    at_weight_map_ = false;
    has_weight_map_ = in_weight_map_ = true;
  }
  return Enter();
}

bool IndexHandler::end_object() {
  in_weight_map_ = false;  // it holds no objects, so this is its end, or it was not begun
  --depth_;
  return true;
}

bool IndexHandler::start_array(std::size_t) { return Other("an array") && Enter(); }

Result<CheckpointIndex> Parse(std::string_view json) {
  SHARDFS_RETURN_IF_ERROR(SurveyJson(json).status());
  CheckpointIndex index;
  IndexHandler handler(json, index);
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &handler)) return handler.status();
  if (!handler.has_weight_map()) return Status::Corruption("the index has no weight_map");
  auto& map = index.weight_map;
  const auto by_tensor = [](const auto& a, const auto& b) { return a.tensor < b.tensor; };
  std::sort(map.begin(), map.end(), by_tensor);
  const auto same_tensor = [](const auto& a, const auto& b) { return a.tensor == b.tensor; };
  const auto twice = std::adjacent_find(map.begin(), map.end(), same_tensor);
  if (twice != map.end()) {
    return Status::Corruption(fmt::format("tensor {} stands twice in weight_map, for {} and {}",
                                          QuoteName(twice->tensor), QuoteName(index.files[twice->file]),
                                          QuoteName(index.files[std::next(twice)->file])));
  }
  return index;
}

}  // namespace

Result<CheckpointIndex> ParseCheckpointIndex(std::string_view json, std::string_view what) {
  const std::string context = QuoteName(what);
  try {
    if (json.size() > kMaxIndexBytes) {
      return Status::NotSupported(fmt::format("{}: {} bytes are more than {}", context, json.size(), kMaxIndexBytes));
    }
    auto index = Parse(json);
    if (index.ok()) return index;
    const ContentKind kind = RecogniseContent(json, json.size());
    if (!IsForeign(kind, ContentKind::kJson)) return index.status().WithContext(context);
    return Status::Corruption(fmt::format("{} {}", context, DescribeContentKind(kind)));
  } catch (const std::bad_alloc&) {
    return Status::ResourceExhausted(context + ": no memory for the index");
  } catch (const std::exception& error) {
    return Status::Corruption(fmt::format("{}: cannot be read: {}", context, error.what()));
  }
}

}  // namespace shardfs
