#include "shardfs/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quote_name.h"
#include "checkpoint/read_text.h"

namespace shardfs {
namespace {

constexpr std::string_view kConfigName = "config.json";
constexpr std::uint64_t kMaxConfigBytes = 100u << 20;

}  // namespace

Checkpoint::Checkpoint(Content content) : content_(std::move(content)) {
  const Result<std::string> text = ReadText(kConfigName, kMaxConfigBytes);
  if (!text.ok()) {
    config_status_ = text.status();
    return;
  }
  Result<JsonValue> json = ParseJson(*text, kConfigName);
  if (!json.ok()) {
    config_status_ = json.status();
  } else if (!json->is_object()) {
    config_status_ = Status::Corruption("config.json holds no JSON object");
  } else {
    config_ = std::move(json).value();
  }
}

const TensorSpec* Checkpoint::Find(std::string_view name) const {
  const auto index = tensors().Find(name);
  return index ? &tensors().specs()[*index] : nullptr;
}

std::uint32_t Checkpoint::IndexOf(const TensorSpec& spec) const {
  return static_cast<std::uint32_t>(&spec - tensors().specs().data());
}

const CompanionFile* Checkpoint::FindFile(std::string_view name) const {
  const auto found = std::find_if(content_.files.begin(), content_.files.end(),
                                  [&](const CompanionFile& file) { return file.name == name; });
  return found == content_.files.end() ? nullptr : &*found;
}

std::span<const CheckedIndex> Checkpoint::indices() const {
  if (content_.indices == nullptr) return {};
  return *content_.indices;
}

Result<const JsonValue*> Checkpoint::config() const {
  if (!config_status_.ok()) return config_status_;
  return &config_;
}

Result<std::string> Checkpoint::ReadText(std::string_view name, std::uint64_t limit) const {
  const CompanionFile* const file = FindFile(name);
  if (file == nullptr) return Status::NotFound(fmt::format("{} has no {}", path(), QuoteName(name)));
  if (file->text == nullptr) return shardfs::ReadText(sources(), file->name, limit);
  if (file->text->size() > limit) {
    return Status::NotSupported(
        fmt::format("{} has {} bytes, more than {}", QuoteName(name), file->text->size(), limit));
  }
  return *file->text;
}

}  // namespace shardfs
