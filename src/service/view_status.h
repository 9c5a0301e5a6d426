// What a mounted view says of itself in .shardfs/status.json, or why it says nothing. Never waits for long.
#pragma once

#include <cstdint>
#include <string>

#include "console/text.h"

namespace shardfs {

struct ViewStatus {
  enum class Answer : std::uint8_t {
    kGiven,
    kDead,        // the daemon has ended without unmounting
    kSilent,      // it has not answered in time: stopped, or waiting for storage that hangs
    kUnreadable,  // the status cannot be read, which says nothing of the view itself
  };
  Answer answer = Answer::kUnreadable;
  int error_number = 0;  // of kUnreadable
  std::string json;      // of kGiven: the file's bytes
  Text problem;          // of all others: a sentence
  Text remedy;           // what to do about it; may be empty
};

// `mount_point` as the mount table writes it. Waits at most 5 seconds.
ViewStatus AskView(const std::string& mount_point);

}  // namespace shardfs
