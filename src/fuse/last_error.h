// LastError: the newest failed read in words, for who asks later. Thread-safe; used by failing reads only.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace shardfs {

class LastError {
 public:
  struct Entry {
    std::chrono::system_clock::time_point at;
    std::string text;
  };

  void Set(std::string text) {
    Entry entry{std::chrono::system_clock::now(), std::move(text)};
    const std::lock_guard lock(mutex_);
    entry_ = std::move(entry);
  }

  std::optional<Entry> Get() const {
    const std::lock_guard lock(mutex_);
    return entry_;
  }

 private:
  mutable std::mutex mutex_;  // guards entry_
  std::optional<Entry> entry_;
};

}  // namespace shardfs
