// StatusSnapshots: the texts behind the files of .shardfs.
//
// Each look-up of such a file's name makes a text and gives it an inode of its own, which never changes: its size is
// the text's, and the kernel may keep its pages and map them. So a reader sees one whole text however it reads, and
// readers of different texts cannot disturb each other. The text lives until the kernel has forgotten the inode.
//
// A program that asks for the size by name and then opens that name has looked it up twice, and the kernel itself does
// so when it finds that a name leads to another inode. Therefore a text that is younger than kReuse is given again to
// the thread that has looked it up and not opened it yet, and one that is younger than kShare to every caller while no
// one has opened it.
//
// Thread-safety: all members from any thread. Bounded: kMost texts, however many descriptors a reader keeps open.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace shardfs {

struct StatusSnapshot {
  std::uint64_t number = 0;  // from 1 on; of each text another
  std::size_t file = 0;      // which of the files it is of
  std::string text;
  timespec made{};  // CLOCK_REALTIME
};

class StatusSnapshots {
 public:
  using Clock = std::chrono::steady_clock;
  using Make = std::function<std::string()>;
  using Pointer = std::shared_ptr<const StatusSnapshot>;

  static constexpr std::size_t kMost = 256;
  static constexpr std::chrono::milliseconds kReuse{1000};
  static constexpr std::chrono::milliseconds kShare{100};

  // Returns a text of `file` to thread `caller` of another process, which looks it up; one more reference of the kernel
  // keeps it. Null when there are kMost. Throws what `make` throws; calls it without holding a lock.
  Pointer LookUp(std::size_t file, pid_t caller, const Make& make);

  // Returns the text of a number that a file handle holds, made anew if the kernel has forgotten it in the meantime.
  // Null when there was none of that number, or when there are kMost.
  Pointer Revive(std::uint64_t number, std::size_t file, const Make& make);

  // Notes that `caller` has opened it: its next look-up gets a new text.
  void NoteOpened(std::uint64_t number, pid_t caller);

  // The kernel gives back `references`.
  void Forget(std::uint64_t number, std::uint64_t references);

  // Null when there is none.
  Pointer Find(std::uint64_t number) const;

 private:
  struct Entry {
    Pointer snapshot;
    Clock::time_point made;
    std::uint64_t references = 0;
    bool opened = false;
    std::vector<pid_t> not_opened_by;  // callers that have looked it up and not opened it
  };

  // With mutex_ held; what Add makes has one reference.
  Entry* FindReusable(std::size_t file, pid_t caller);
  Pointer Add(std::uint64_t number, std::size_t file, std::string text, std::vector<pid_t> callers);

  mutable std::mutex mutex_;  // guards the rest
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, Entry> entries_;  // by number
};

}  // namespace shardfs
