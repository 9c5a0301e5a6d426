// The progress of a long run: a bar on a terminal, a line every few seconds elsewhere, or JSON for programs.
#pragma once

#include <CLI/App.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace shardfs {

enum class ProgressMode : std::uint8_t {
  kAuto,   // kBar where stderr is a terminal, kLines elsewhere
  kBar,    // on stderr, drawn anew ten times a second
  kLines,  // on stderr, one every five seconds
  kJson,   // on stdout, an object a line: one at once, one each second, and one with the outcome (progress_json.h)
  kNone,
};

// One moment of a run.
struct ProgressState {
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;
  double bytes_per_second = 0;  // lately; 0 while it is not known; filled in by ProgressReporter
  std::string current_file{};   // may be empty
  std::string_view phase{};     // what the run does now, a word; a literal
};

// Registers --progress; `mode` must outlive the parsing.
void AddProgressOption(CLI::App& command, ProgressMode& mode);

// "1:05", "2:03:09"
std::string FormatDuration(double seconds);

// "shardfs: 45 %, 1.23 GB of 2.73 GB, 13 of 40 files, 1.10 GB/s, 0:12 left"
std::string FormatProgressLine(const ProgressState& state);

// "[=====>    ]  45 %  1.23 GB of 2.73 GB  1.10 GB/s  0:12 left  model-norm/model.safetensors", in at most `width`
// columns: as they get fewer, the bar shrinks first, then the file's name, which goes when it would say nothing, and
// last the bar.
std::string FormatProgressBar(const ProgressState& state, std::size_t width);

// The rate over the last few seconds. Not thread-safe.
class RateMeter {
 public:
  using Clock = std::chrono::steady_clock;

  // `bytes` done in all at `now`; returns bytes per second.
  double Update(Clock::time_point now, std::uint64_t bytes);

 private:
  std::deque<std::pair<Clock::time_point, std::uint64_t>> samples_;  // oldest first
};

// Shows the progress of a run from a thread of its own, from construction to destruction; the bar is removed at the
// end. What a reader is too slow to take is dropped: a pipe that nobody empties holds up neither the run nor its end.
class ProgressReporter {
 public:
  // Both are called about ten times a second from the reporter's thread: `on_tick`, then `snapshot`.
  ProgressReporter(ProgressMode mode, std::function<ProgressState()> snapshot, std::function<void()> on_tick);
  ~ProgressReporter();
  ProgressReporter(const ProgressReporter&) = delete;
  ProgressReporter& operator=(const ProgressReporter&) = delete;

 private:
  void Loop(const std::stop_token& stop);
  void Show(RateMeter::Clock::time_point& next_line);
  ProgressState Snapshot();

  const ProgressMode mode_;  // never kAuto
  const std::function<ProgressState()> snapshot_;
  const std::function<void()> on_tick_;
  RateMeter meter_;
  std::jthread thread_;  // last, so that all it uses exists while it runs
};

}  // namespace shardfs
