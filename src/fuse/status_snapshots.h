// StatusSnapshots: the text behind each open file of .shardfs, made when it was opened, so that one reader sees one
// state however it cuts its reads.
//
// Thread-safety: all members from any thread. Bounded: a reader that opens and never closes can take kMost texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace shardfs {

class StatusSnapshots {
 public:
  static constexpr std::size_t kMost = 256;

  // The number to find it by, or 0 when there are kMost already.
  std::uint64_t Add(std::string text) {
    auto shared = std::make_shared<const std::string>(std::move(text));
    const std::lock_guard lock(mutex_);
    if (texts_.size() >= kMost) return 0;
    texts_.emplace(++last_, std::move(shared));
    return last_;
  }

  // Null when there is none.
  std::shared_ptr<const std::string> Find(std::uint64_t number) const {
    const std::lock_guard lock(mutex_);
    const auto place = texts_.find(number);
    return place == texts_.end() ? nullptr : place->second;
  }

  void Remove(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    texts_.erase(number);
  }

 private:
  mutable std::mutex mutex_;  // guards the next two
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, std::shared_ptr<const std::string>> texts_;
};

}  // namespace shardfs
