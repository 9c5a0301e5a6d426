// What nlohmann's reader has against a document, in a sentence of ours: where an editor finds the place, and the text
// there. The reader's own sentence quotes the offending token whole, which may be megabytes of a stranger's text.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>

namespace shardfs {

// What `parse_error` of a SAX handler is told: "not valid JSON at line 2, column 3 (byte 12): '}' after '"dp": 2,'".
// `position` counts from 1 and is that of the last byte that the reader took of `json`; `last_token` is the token that
// it ends.
std::string DescribeJsonError(std::string_view json, std::size_t position, std::string_view last_token,
                              const std::exception& error);

// "key 'a' stands twice in one object, again at line 2, column 3 (byte 12)". Without the place where the document writes
// the key with escapes.
std::string DescribeDuplicateKey(std::string_view json, std::string_view key);

}  // namespace shardfs
