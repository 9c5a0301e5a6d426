// DefectList: what is wrong with a checkpoint, gathered so that one message tells all of it, cut to the first ten.
// Thread-safety: none.
#pragma once

#include <cstddef>
#include <string>

#include "shardfs/base/status.h"

namespace shardfs {

class DefectList {
 public:
  void Add(const std::string& defect) {
    if (++count_ > kMaxShown) return;
    if (!text_.empty()) text_ += "; ";
    text_ += defect;
  }

  std::size_t count() const { return count_; }
  std::string text() const {
    return count_ <= kMaxShown ? text_ : text_ + "; and " + std::to_string(count_ - kMaxShown) + " more";
  }

  // OK when nothing was added, else kCorruption.
  Status ToStatus() const { return count_ == 0 ? Status::Ok() : Status::Corruption(text()); }

 private:
  static constexpr std::size_t kMaxShown = 10;
  std::size_t count_ = 0;
  std::string text_;
};

}  // namespace shardfs
