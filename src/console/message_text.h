// The Chinese of messages that are made as English strings: those of Status, and the summaries of layouts. The layers
// that make them know no languages, so a message is recognised by its pattern (MessageCatalogue) when it is shown.
#pragma once

#include <string_view>

#include "console/text.h"
#include "shardfs/base/status.h"

namespace shardfs {

// The message in both languages; the English in both where no pattern is known. "CONTEXT: MESSAGE" is that of MESSAGE
// behind the context. Values in it are recognised in the same way, and stay as they are otherwise.
Text TextOfMessage(std::string_view english);

// RefusalText is what a Finding says of a refusal. Messages end with "; " and what to do, where there is one thing to
// do.
struct RefusalText {
  Text problem;
  Text remedy;  // empty where the message does not say
};

// A message that no pattern is known for is introduced in Chinese as an English one.
RefusalText RefusalOf(const Status& status);
Text TextOf(const Status& status);  // both parts of it

}  // namespace shardfs
