// WatchedSource: a source of zeros that a test can call changed or out of reach, and a view of such sources.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "shardfs/source/byte_source.h"
#include "shardfs/view/virtual_tree.h"

namespace shardfs {

class WatchedSource final : public ByteSource {
 public:
  // What the source says of itself; called by whoever looks, from any thread.
  using Answer = std::function<Status()>;

  WatchedSource(std::string name, std::uint64_t size, Answer answer)
      : name_(std::move(name)), size_(size), answer_(std::move(answer)) {}

  Status ReadAt(std::uint64_t, std::span<std::byte> destination) const override {
    std::memset(destination.data(), 0, destination.size());
    return answer_();
  }
  Status CheckUnchanged() const override { return answer_(); }
  std::uint64_t size() const override { return size_; }
  const std::string& name() const override { return name_; }

 private:
  const std::string name_;
  const std::uint64_t size_;
  const Answer answer_;
};

// Passthrough files "file-0", "file-1", ... of these sources.
inline std::shared_ptr<const VirtualTree> TreeOf(std::vector<std::unique_ptr<WatchedSource>> sources) {
  VirtualTreeBuilder builder;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Status status =
        builder.AddFile("file-" + std::to_string(i), RankSet::All(1), MakePassthroughFile(std::move(sources[i])));
    if (!status.ok()) std::abort();
  }
  return std::move(builder).Build();
}

}  // namespace shardfs
