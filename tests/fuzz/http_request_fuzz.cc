// The head of a request to --metrics-listen. The input is what a client has sent, and arrives in two pieces, as the
// listener may get it.
#include <charconv>

#include "fuzz/fuzz_target.h"
#include "service/http_answer.h"

namespace {

using namespace shardfs;

constexpr std::string_view kHeadEnd = "\r\n\r\n";

// Returns the body, after checks of the head: a status line, and a length that is the body's. A client's bytes are in
// neither, so no request can write a header of its own.
std::string_view BodyOf(std::string_view answer) {
  SHARDFS_FUZZ_CHECK(answer.starts_with("HTTP/1.1 "));
  const std::size_t end = answer.find(kHeadEnd);
  SHARDFS_FUZZ_CHECK(end != answer.npos);
  const std::string_view head = answer.substr(0, end);
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const std::size_t place = head.find(kLength);
  SHARDFS_FUZZ_CHECK(place != head.npos && head.find("\r\nConnection: close\r\n") != head.npos);
  std::size_t length = 0;
  std::from_chars(head.data() + place + kLength.size(), head.data() + head.size(), length);
  const std::string_view body = answer.substr(end + kHeadEnd.size());
  SHARDFS_FUZZ_CHECK(body.size() == length);
  return body;
}

// Returns the answer to what has arrived, after checks of it.
std::optional<std::string> Check(std::string_view received) {
  int pages = 0;
  const MetricsAnswers answers{[&pages] { return ++pages, std::string("# metrics\n"); },
                               [&pages] { return ++pages, std::string("degraded"); }};
  const std::optional<std::string> answer = AnswerTo(received, answers);
  if (!answer) {
    SHARDFS_FUZZ_CHECK(received.size() < MetricsListener::kMostRequestBytes && pages == 0);
    return answer;
  }
  const std::string_view body = BodyOf(*answer);
  const bool is_page = body == "# metrics\n" || body == "degraded\n";
  SHARDFS_FUZZ_CHECK(pages == (is_page ? 1 : 0));
  SHARDFS_FUZZ_CHECK(is_page == (answer->starts_with("HTTP/1.1 200 ") || answer->starts_with("HTTP/1.1 503 ")));
  if (is_page) {
    while (received.starts_with("\r\n")) received.remove_prefix(2);
    SHARDFS_FUZZ_CHECK(received.starts_with("GET /") || received.starts_with("GET http://"));
  }
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = testing::AsText(data, size).substr(0, MetricsListener::kMostRequestBytes);
  const std::optional<std::string> whole = Check(input);
  for (std::size_t end = 0; end < input.size(); end += 1 + input.size() / 16) {
    const std::optional<std::string> first = Check(input.substr(0, end));
    // What comes behind a whole head changes nothing of its answer.
    if (first) SHARDFS_FUZZ_CHECK(first == whole);
  }
  if (!whole) {
    // A client that never ends its head is refused where the most is reached.
    const std::string full = std::string(input) + std::string(MetricsListener::kMostRequestBytes - input.size(), 'a');
    const std::optional<std::string> refused = Check(full);
    SHARDFS_FUZZ_CHECK(refused && refused->starts_with("HTTP/1.1 431 "));
  }
  return 0;
}
