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
    : checkpoint_(checkpoint), used_(checkpoint.tensors().size(), false) {}

void SourceInventory::MarkUsed(const TensorInfo& info) {
  used_[static_cast<std::size_t>(&info - checkpoint_.tensors().data())] = true;
}

const TensorInfo* SourceInventory::FindIfPresent(const std::string& name) {
  const TensorInfo* info = checkpoint_.Find(name);
  if (info != nullptr) MarkUsed(*info);
  return info;
}

const TensorInfo* SourceInventory::Require(const std::string& name, std::initializer_list<Shape> shapes,
                                           std::initializer_list<Dtype> dtypes) {
  const TensorInfo* info = FindIfPresent(name);
  if (info == nullptr) {
    AddDefect(name + " is missing");
    if (!TooManyDefects()) missing_.push_back(name);
    return nullptr;
  }
  if (std::find(shapes.begin(), shapes.end(), info->shape) == shapes.end()) {
    AddDefect(fmt::format("{} is {} in {}, but config.json makes it {}", name, ShapeToString(info->shape),
                          QuoteName(info->source->name()), ShapeToString(*shapes.begin())));
  } else if (std::find(dtypes.begin(), dtypes.end(), info->dtype) == dtypes.end()) {
    AddDefect(fmt::format("{} is {} in {}, but must be {}", name, DtypeName(info->dtype),
                          QuoteName(info->source->name()), DtypeName(*dtypes.begin())));
  }
  return info;
}

void SourceInventory::Ignore(const std::string& name, const std::string& reason, std::uint64_t usual) {
  if (FindIfPresent(name) == nullptr) return;
  ignored_.push_back({name, reason});
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

std::set<const ByteSource*> SourceInventory::NeededFiles() const {
  std::set<std::string_view> ignored;
  for (const IgnoredTensor& tensor : ignored_) ignored.insert(tensor.name);
  std::set<const ByteSource*> needed;
  for (std::size_t i = 0; i < used_.size(); ++i) {
    const TensorInfo& tensor = checkpoint_.tensors()[i];
    if (used_[i] && !needed.contains(tensor.source) && !ignored.contains(tensor.name)) needed.insert(tensor.source);
  }
  return needed;
}

std::vector<const TensorInfo*> SourceInventory::Unaccounted() const {
  std::vector<const TensorInfo*> rest;
  for (std::size_t i = 0; i < used_.size(); ++i) {
    if (!used_[i]) rest.push_back(&checkpoint_.tensors()[i]);
  }
  return rest;
}

}  // namespace shardfs
