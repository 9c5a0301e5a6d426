#include "console/progress.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "console/progress_json.h"
#include "shardfs/base/format_bytes.h"

namespace shardfs {
namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr auto kLineEvery = std::chrono::seconds(5);
constexpr auto kJsonEvery = std::chrono::seconds(1);
constexpr auto kRateWindow = std::chrono::seconds(5);
constexpr std::size_t kMinimumBar = 10;  // columns; a shorter bar says nothing
constexpr std::size_t kMaximumBar = 40;
constexpr std::size_t kShortestName = 12;  // columns; a shorter end of a path says nothing
constexpr std::size_t kUsualName = 40;
constexpr std::size_t kGap = 2;  // between the numbers and the name
constexpr std::string_view kClearLine = "\r\x1b[K";

double Fraction(const ProgressState& state) {
  if (state.bytes_total == 0) return 1;
  return std::min(1.0, static_cast<double>(state.bytes_done) / static_cast<double>(state.bytes_total));
}

// "1.10 GB/s  0:12 left", as far as it is known.
std::vector<std::string> RateAndTimeLeft(const ProgressState& state) {
  if (state.bytes_per_second < 1) return {};
  const auto left = static_cast<double>(state.bytes_total - std::min(state.bytes_done, state.bytes_total));
  return {fmt::format("{}/s", FormatBytes(static_cast<std::uint64_t>(state.bytes_per_second))),
          fmt::format("{} left", FormatDuration(left / state.bytes_per_second))};
}

// Rounded down: 100 % is for what is done.
int Percent(const ProgressState& state) { return static_cast<int>(Fraction(state) * 100); }

std::string Bar(const ProgressState& state, std::size_t columns) {
  const auto filled = static_cast<std::size_t>(Fraction(state) * static_cast<double>(columns));
  std::string bar(columns, ' ');
  std::fill_n(bar.begin(), filled, '=');
  if (filled < columns) bar[filled] = '>';
  return "[" + bar + "] ";
}

// The end of a path is what tells one file from another. Cut at a character, not within one.
std::string KeepEnd(std::string_view text, std::size_t columns) {
  if (text.size() <= columns) return std::string(text);
  constexpr std::string_view kDots = "...";
  text.remove_prefix(text.size() - (columns - kDots.size()));
  while (!text.empty() && (text.front() & 0xC0) == 0x80) text.remove_prefix(1);
  return std::string(kDots) + std::string(text);
}

std::size_t TerminalWidth() {
  constexpr std::size_t kUsual = 80;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return size.ws_col;
}

// Whole, or not at all where that would wait: a pipe that is ready has room for a line. A lost line of progress is no
// reason to fail.
void WriteWithoutWaiting(int fd, std::string_view text) {
  pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
  if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

ProgressMode Resolved(ProgressMode mode) {
  if (mode != ProgressMode::kAuto) return mode;
  return ::isatty(STDERR_FILENO) == 1 ? ProgressMode::kBar : ProgressMode::kLines;
}

}  // namespace

void AddProgressOption(CLI::App& command, ProgressMode& mode) {
  static const std::map<std::string, ProgressMode> kModes = {{"auto", ProgressMode::kAuto},
                                                             {"bar", ProgressMode::kBar},
                                                             {"lines", ProgressMode::kLines},
                                                             {"json", ProgressMode::kJson},
                                                             {"none", ProgressMode::kNone}};
  command
      .add_option_function<std::string>(
          "--progress", [&mode](const std::string& name) { mode = kModes.at(name); },
          "auto: a bar on a terminal, a line every 5 seconds elsewhere; json: an object a line on stdout, the result "
          "the last (default: auto)")
      ->check(CLI::IsMember(kModes))
      ->type_name("MODE");
}

std::string FormatDuration(double seconds) {
  constexpr double kLongest = 359'999;  // 99:59:59; the rate has stalled if it takes longer
  const auto whole = static_cast<std::uint64_t>(std::ceil(std::clamp(seconds, 0.0, kLongest)));
  const std::uint64_t hours = whole / 3600;
  const std::uint64_t minutes = whole / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string FormatProgressLine(const ProgressState& state) {
  std::string line =
      fmt::format("shardfs: {} %, {} of {}, {} of {} files", Percent(state), FormatBytes(state.bytes_done),
                  FormatBytes(state.bytes_total), state.files_done, state.files_total);
  for (const std::string& part : RateAndTimeLeft(state)) line += ", " + part;
  return line;
}

std::string FormatProgressBar(const ProgressState& state, std::size_t width) {
  // Columns that keep their width from one drawing to the next, so that nothing jumps.
  std::string numbers = fmt::format("{:>3} %  {:>7} of {}", Percent(state), FormatBytes(state.bytes_done),
                                    FormatBytes(state.bytes_total));
  const std::vector<std::string> rate = RateAndTimeLeft(state);
  if (!rate.empty()) numbers += fmt::format("  {:>9}  {:>9}", rate[0], rate[1]);
  if (numbers.size() >= width) return numbers.substr(0, width);

  const std::size_t frame = Bar(state, 0).size();
  const std::size_t room = width - numbers.size();
  if (room < frame + kMinimumBar) return numbers;
  const std::size_t free = room - frame;  // of the bar and the name
  const bool has_name = !state.current_file.empty() && free >= kMinimumBar + kGap + kShortestName;
  // As much is left to the name as most have, whatever this one's length, so that the bar keeps its width.
  const std::size_t beside = has_name ? std::min(kGap + kUsualName, free - kMinimumBar) : 0;
  const std::size_t bar = std::min(free - beside, kMaximumBar);
  std::string line = Bar(state, bar) + numbers;
  if (has_name) line += std::string(kGap, ' ') + KeepEnd(state.current_file, width - line.size() - kGap);
  return line;
}

double RateMeter::Update(Clock::time_point now, std::uint64_t bytes) {
  samples_.emplace_back(now, bytes);
  // One sample older than the window is kept, to measure from.
  while (samples_.size() > 2 && now - samples_[1].first >= kRateWindow) samples_.pop_front();
  const std::chrono::duration<double> span = now - samples_.front().first;
  if (span.count() <= 0) return 0;
  return static_cast<double>(bytes - samples_.front().second) / span.count();
}

ProgressReporter::ProgressReporter(ProgressMode mode, std::function<ProgressState()> snapshot,
                                   std::function<void()> on_tick)
    : mode_(Resolved(mode)),
      snapshot_(std::move(snapshot)),
      on_tick_(std::move(on_tick)),
      thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

ProgressReporter::~ProgressReporter() {
  thread_.request_stop();
  thread_.join();
}

ProgressState ProgressReporter::Snapshot() {
  ProgressState state = snapshot_();
  state.bytes_per_second = meter_.Update(RateMeter::Clock::now(), state.bytes_done);
  return state;
}

void ProgressReporter::Show(RateMeter::Clock::time_point& next_line) {
  if (mode_ == ProgressMode::kNone) return;
  const ProgressState state = Snapshot();
  if (mode_ == ProgressMode::kBar) {
    // One column less than there are: a cursor behind the last one would wrap on some terminals.
    WriteWithoutWaiting(STDERR_FILENO, std::string(kClearLine) + FormatProgressBar(state, TerminalWidth() - 1));
    return;
  }
  if (RateMeter::Clock::now() < next_line) return;
  if (mode_ == ProgressMode::kJson) {
    WriteWithoutWaiting(STDOUT_FILENO, FormatProgressJson(state) + "\n");
    next_line += kJsonEvery;
  } else {
    WriteWithoutWaiting(STDERR_FILENO, FormatProgressLine(state) + "\n");
    next_line += kLineEvery;
  }
}

void ProgressReporter::Loop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any timer;
  std::unique_lock lock(mutex);
  auto next_line = RateMeter::Clock::now();
  if (mode_ == ProgressMode::kJson) {
    Show(next_line);  // a program learns the totals at once
  } else {
    next_line += kLineEvery;  // a person is not told of what takes a moment only
  }
  while (!timer.wait_for(lock, stop, kTick, [&stop] { return stop.stop_requested(); })) {
    on_tick_();
    Show(next_line);
  }
  if (mode_ == ProgressMode::kBar) WriteWithoutWaiting(STDERR_FILENO, kClearLine);
}

}  // namespace shardfs
