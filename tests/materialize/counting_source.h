// Sources that are not there: their bytes are computed, and they count who asks for what.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "materialize/test_files.h"
#include "shardfs/source/byte_source.h"

namespace shardfs {

// A page cache of so many bytes, shared by the sources of a test: least recently used pages go first.
class PageCache {
 public:
  static constexpr std::uint64_t kPage = 4096;

  explicit PageCache(std::uint64_t bytes) : pages_(bytes / kPage) {}

  void Touch(const void* source, std::uint64_t offset, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    for (std::uint64_t page = offset / kPage; page * kPage < offset + size; ++page) TouchPage(source, page);
  }
  std::uint64_t bytes_from_device() const { return misses_ * kPage; }

 private:
  struct Key {
    const void* source;
    std::uint64_t page;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const {
      return std::hash<const void*>()(key.source) * 31 + static_cast<std::size_t>(key.page);
    }
  };

  void TouchPage(const void* source, std::uint64_t page) {
    const Key key{source, page};
    if (const auto found = where_.find(key); found != where_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return;
    }
    ++misses_;
    if (order_.size() == pages_) {
      where_.erase(order_.back());
      order_.pop_back();
    }
    order_.push_front(key);
    where_[key] = order_.begin();
  }

  std::mutex mutex_;
  const std::size_t pages_;
  std::list<Key> order_;  // the last used first
  std::unordered_map<Key, std::list<Key>::iterator, Hash> where_;
  std::uint64_t misses_ = 0;
};

class CountingSource : public ByteSource {
 public:
  CountingSource(std::string name, std::uint64_t seed, std::uint64_t size, PageCache* cache = nullptr)
      : name_(std::move(name)), seed_(seed), size_(size), cache_(cache) {}

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    {
      const std::lock_guard lock(mutex_);
      bytes_asked_ += destination.size();
      for (const auto& [begin, end] : dropped_) {
        if (offset < end && begin < offset + destination.size()) ++reads_of_dropped_;
      }
    }
    if (cache_ != nullptr) cache_->Touch(this, offset, destination.size());
    for (std::byte& byte : destination) byte = PatternByte(seed_, offset++);
    return Status::Ok();
  }
  void DropCached(std::uint64_t offset, std::uint64_t size) const override {
    const std::lock_guard lock(mutex_);
    dropped_.emplace_back(offset, offset + size);
    bytes_dropped_ += size;
  }
  std::uint64_t size() const override { return size_; }
  const std::string& name() const override { return name_; }

  // Once the run is over.
  std::uint64_t bytes_asked() const { return bytes_asked_; }
  std::uint64_t bytes_dropped() const { return bytes_dropped_; }
  std::uint64_t reads_of_dropped() const { return reads_of_dropped_; }

 private:
  const std::string name_;
  const std::uint64_t seed_;
  const std::uint64_t size_;
  PageCache* const cache_;
  mutable std::mutex mutex_;
  mutable std::uint64_t bytes_asked_ = 0;
  mutable std::uint64_t bytes_dropped_ = 0;
  mutable std::uint64_t reads_of_dropped_ = 0;
  mutable std::vector<std::pair<std::uint64_t, std::uint64_t>> dropped_;
};

}  // namespace shardfs
