#include "layout/mindie/source_inventory.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::size_t kMaxNamedDefects = 10;
constexpr std::size_t kNamedIgnored = 3;

}  // namespace

SourceInventory::SourceInventory(const Checkpoint& checkpoint)
    : checkpoint_(checkpoint), used_(checkpoint.tensors().specs().size(), false) {}

void SourceInventory::MarkUsed(const TensorSpec& info) {
  used_[checkpoint_.IndexOf(info)] = true;
}

const TensorSpec* SourceInventory::FindIfPresent(const std::string& name) {
  const TensorSpec* info = checkpoint_.Find(name);
  if (info != nullptr) MarkUsed(*info);
  return info;
}

const TensorSpec* SourceInventory::Require(const std::string& name, std::initializer_list<Shape> shapes,
                                           std::initializer_list<Dtype> dtypes) {
  const TensorSpec* info = FindIfPresent(name);
  if (info == nullptr) {
    AddDefect(name + " is missing");
    if (!TooManyDefects()) missing_.push_back(name);
    return nullptr;
  }
  if (std::find(shapes.begin(), shapes.end(), info->shape) == shapes.end()) {
    AddDefect(fmt::format("{} is {} in {}, but config.json makes it {}", name, ShapeToString(info->shape),
                          QuoteName(checkpoint_.OriginOf(*info)), ShapeToString(*shapes.begin())));
  } else if (std::find(dtypes.begin(), dtypes.end(), info->dtype) == dtypes.end()) {
    AddDefect(fmt::format("{} is {} in {}, but must be {}", name, DtypeName(info->dtype),
                          QuoteName(checkpoint_.OriginOf(*info)), DtypeName(*dtypes.begin())));
  }
  return info;
}

void SourceInventory::Ignore(const std::string& name, const std::string& reason, std::uint64_t usual) {
  const TensorSpec* const found = FindIfPresent(name);
  if (found == nullptr) return;
  ignored_.push_back({name, reason, BytesOf(*found)});
  usual_.emplace(reason, usual);
}

std::vector<std::string> SourceInventory::UnusualIgnored() const {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const IgnoredTensor& tensor : ignored_) by_reason[tensor.reason].push_back(tensor.name);
  std::vector<std::string> sentences;
  for (auto& [reason, names] : by_reason) {
    if (names.size() <= usual_.at(reason)) continue;
    std::sort(names.begin(), names.end());
    std::string first;
    for (std::size_t i = 0; i < std::min(kNamedIgnored, names.size()); ++i)
      first += (i == 0 ? "" : ", ") + QuoteName(names[i]);
    if (names.size() > kNamedIgnored) first += fmt::format(" and {} more", names.size() - kNamedIgnored);
    sentences.push_back(fmt::format("{} tensor{} of the source {} left out ({}): {}", names.size(),
                                    names.size() == 1 ? "" : "s", names.size() == 1 ? "is" : "are", reason, first));
  }
  return sentences;
}

void SourceInventory::AddDefect(std::string sentence) {
  if (++defects_ <= kMaxNamedDefects) named_defects_.push_back(std::move(sentence));
}

Status SourceInventory::ToStatus() const {
  if (defects_ == 0) return Status::Ok();
  std::string message = fmt::format("the checkpoint does not fit its config.json: {}", fmt::join(named_defects_, "; "));
  if (defects_ > kMaxNamedDefects) {
    message += fmt::format("; and {}{} more", TooManyDefects() ? "at least " : "", defects_ - kMaxNamedDefects);
  }
  return Status::Corruption(std::move(message));
}

std::set<std::string_view> SourceInventory::NeededFiles() const {
  std::set<std::string_view> ignored;
  for (const IgnoredTensor& tensor : ignored_) ignored.insert(tensor.name);
  std::set<std::string_view> needed;
  for (std::size_t i = 0; i < used_.size(); ++i) {
    const TensorSpec& tensor = checkpoint_.tensors().specs()[i];
    if (used_[i] && !needed.contains(checkpoint_.OriginOf(tensor)) && !ignored.contains(tensor.name)) needed.insert(checkpoint_.OriginOf(tensor));
  }
  return needed;
}

std::vector<const TensorSpec*> SourceInventory::Unaccounted() const {
  std::vector<const TensorSpec*> rest;
  for (std::size_t i = 0; i < used_.size(); ++i) {
    if (!used_[i]) rest.push_back(&checkpoint_.tensors().specs()[i]);
  }
  return rest;
}

}  // namespace shardfs
