// SourceInventory: looks tensors up in a checkpoint, checks them, and keeps account of which were used or ignored.
// Defects are collected, so that a refusal names the first ten instead of the first.
//
// Not thread-safe; used while a layout is built.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/checkpoint/checkpoint.h"

namespace shardfs {

class SourceInventory {
 public:
  // A config that asks for far more than the checkpoint has is not searched to its end.
  static constexpr std::size_t kMaxCountedDefects = 10'000;
  static constexpr std::uint64_t kAnyNumber = ~std::uint64_t{0};

  explicit SourceInventory(const Checkpoint& checkpoint);

  // The tensor of that name, marked used; nullptr without a defect when there is none.
  const TensorSpec* FindIfPresent(const std::string& name);

  // The tensor of that name and one of those shapes and dtypes; anything else is a defect. nullptr when it is missing.
  const TensorSpec* Require(const std::string& name, std::initializer_list<Shape> shapes,
                            std::initializer_list<Dtype> dtypes);

  // Accounts for a tensor that no file is made of, if it is there. `usual`: how many tensors one reason leaves out of
  // an ordinary checkpoint; what is more gets a warning.
  void Ignore(const std::string& name, const std::string& reason, std::uint64_t usual = kAnyNumber);

  const Checkpoint& checkpoint() const { return checkpoint_; }

  // The file that holds a tensor of the checkpoint.
  std::string_view OriginOf(const TensorSpec& tensor) const { return checkpoint_.OriginOf(tensor); }

  void AddDefect(std::string sentence);
  std::size_t defects() const { return defects_; }
  bool TooManyDefects() const { return defects_ >= kMaxCountedDefects; }

  // kCorruption naming the first ten defects, or OK.
  Status ToStatus() const;

  // Names that Require has not found, as many as are counted.
  const std::vector<std::string>& missing() const { return missing_; }

  // The files that hold a tensor that was used and not ignored.
  std::set<std::string_view> NeededFiles() const;

  // Tensors that were neither used nor ignored so far.
  std::vector<const TensorSpec*> Unaccounted() const;
  // A sentence with count and first names for each reason that left out more than its usual number.
  std::vector<std::string> UnusualIgnored() const;
  std::vector<IgnoredTensor> TakeIgnored() { return std::move(ignored_); }

 private:
  void MarkUsed(const TensorSpec& info);

  const Checkpoint& checkpoint_;
  std::vector<bool> used_;  // by index into the checkpoint's tensors
  std::vector<IgnoredTensor> ignored_;
  std::vector<std::string> missing_;
  std::map<std::string, std::uint64_t> usual_;  // by reason
  std::size_t defects_ = 0;
  std::vector<std::string> named_defects_;
};

}  // namespace shardfs
