// Makes the answers to HTTP requests of the metrics listener, apart from sockets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "service/metrics_listener.h"

namespace shardfs {

// The whole answer, headers included, to a request whose head is `received` so far; nothing while the head is not
// complete. The connection is closed behind every answer.
std::optional<std::string> AnswerTo(std::string_view received, const MetricsAnswers& answers);

}  // namespace shardfs
