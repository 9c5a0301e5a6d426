#include "cli/help_text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace shardfs {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kExamples = {{
    {"", "shardfs mount /models/DeepSeek-R1-W8A8 /mnt/r1 --dp 2 --tp 8 --moe-tp 4 --moe-ep 4"},
    {"mount", "shardfs mount /models/DeepSeek-R1-W8A8 /mnt/r1 --dp 2 --tp 8 --moe-tp 4 --moe-ep 4"},
    {"umount", "shardfs umount /mnt/r1"},
    {"materialize", "shardfs materialize /models/DeepSeek-R1-W8A8 /dev/shm/r1 --dp 2 --tp 8 --node-rank 0 --nnodes 2"},
    {"plan", "shardfs plan /models/DeepSeek-R1-W8A8 --dp 2 --tp 8 --html plan.html"},
    {"verify", "shardfs verify /models/DeepSeek-R1-W8A8 /data/r1-sharded --dp 2 --tp 8"},
    {"status", "shardfs status /mnt/r1"},
    {"layouts", "shardfs layouts mindie"},
    {"merge-strategies", "shardfs merge-strategies output/strategy merged.ckpt"},
    {"check-mindie", "shardfs check-mindie config.json /mnt/r1 --uid 1001"},
    {"check-sglang", "shardfs check-sglang /mnt/r1 -- python3 -m sglang.launch_server --model-path /mnt/r1 --tp 8"},
    {"check-vllm", "shardfs check-vllm /mnt/r1 -- vllm serve /mnt/r1 --load-format sharded_state -tp 8"},
    {"check", "shardfs check /models/DeepSeek-R1-W8A8"},
    {"explain", "shardfs explain /mnt/r1/model-norm/model.safetensors"},
    {"warm", "shardfs warm /mnt/r1"},
    {"doctor", "shardfs doctor /models/DeepSeek-R1-W8A8 /mnt/r1 --mindie-config config.json"},
}};

constexpr std::size_t kLeastWidth = 40;   // below it, breaking makes nothing more readable
constexpr std::size_t kLeastColumn = 24;  // of a description

// Where the lines that follow `line` begin: behind the names of an option or a subcommand, which two spaces end; else
// where the line itself begins, and a little further where it is indented.
std::size_t HangingIndent(std::string_view line, std::size_t width) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  if (begin == 0) return 0;
  const std::size_t gap = line.find("  ", begin);
  if (gap == std::string_view::npos) return begin >= kLeastColumn && begin + kLeastColumn <= width ? begin : begin + 4;
  const std::size_t description = line.find_first_not_of(' ', gap);
  const bool leaves_room = description != std::string_view::npos && description + kLeastColumn <= width;
  return leaves_room ? description : begin + 4;
}

void AppendWrapped(std::string_view line, std::size_t width, std::string& text) {
  const std::size_t indent = HangingIndent(line, width);
  // A line is never broken before its own first word, nor, further down, before the word behind the indent.
  std::size_t keep = std::max(indent, std::min(line.find_first_not_of(' '), line.size()));
  std::size_t room = width;
  while (line.size() > room) {
    std::size_t at = line.rfind(' ', room);
    if (at == std::string_view::npos || at <= keep) at = line.find(' ', std::max(room, keep));
    if (at == std::string_view::npos) break;  // one long word
    const std::size_t end = line.find_last_not_of(' ', at);
    text += line.substr(0, end == std::string_view::npos ? 0 : end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(' ', at), line.size()));
    if (line.empty()) return;
    text += '\n' + std::string(indent, ' ');
    room = width - indent;
    keep = 0;
  }
  text += line;
}

}  // namespace

std::string_view ExampleOf(std::string_view subcommand) {
  const auto found = std::find_if(kExamples.begin(), kExamples.end(),
                                  [subcommand](const auto& example) { return example.first == subcommand; });
  return found == kExamples.end() ? std::string_view() : found->second;
}

std::size_t HelpWidth() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

std::string WrapHelp(std::string_view text, std::size_t width) {
  if (width < kLeastWidth) return std::string(text);
  std::string wrapped;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    AppendWrapped(text.substr(0, end), width, wrapped);
    if (end == text.size()) break;
    wrapped += '\n';
    text.remove_prefix(end + 1);
  }
  return wrapped;
}

}  // namespace shardfs
