// What libfuse has to say. It reports causes only by logging, so a caller that needs one listens while it calls.
#pragma once

#include <string>
#include <string_view>

namespace shardfs {

// Collects what libfuse logs on this thread (warnings and worse) for as long as it lives; at other times, and on other
// threads, such messages go to the program's log. One at a time per thread.
class LibfuseMessages {
 public:
  LibfuseMessages();
  ~LibfuseMessages();
  LibfuseMessages(const LibfuseMessages&) = delete;
  LibfuseMessages& operator=(const LibfuseMessages&) = delete;

  // The messages, or `otherwise` when there were none.
  std::string TextOr(const char* otherwise) const { return text_.empty() ? otherwise : text_; }

  void Add(std::string_view message);

 private:
  std::string text_;
};

}  // namespace shardfs
