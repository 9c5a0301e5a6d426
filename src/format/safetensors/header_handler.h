// HeaderHandler: the SAX events of a safetensors header, turned into its tensors without a document in between.
//
// Enforces every rule that can be seen from one entry alone; those between entries (duplicate names, tiling, the end
// of the file) are ParseHeader's, but it stops as soon as the tensors cannot all have bytes of their own. An event that
// breaks a rule returns false, which ends the parse, and status() tells. Thread-safety: none; one parse, one handler.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "format/safetensors/header_limits.h"
#include "shardfs/format/safetensors/header.h"

namespace shardfs {

class HeaderHandler {
 public:
  // `json`: the text that the events come from. `data_bytes`: the size of the data section, which the tensors have to
  // share.
  HeaderHandler(std::string_view json, Header& header, std::uint64_t data_bytes)
      : json_(json), header_(header), unclaimed_bytes_(data_bytes) {}

  const Status& status() const { return status_; }

  // The events, named as nlohmann's SAX interface wants them.
  bool null();
  bool boolean(bool) { return Unexpected("a boolean"); }
  bool number_integer(std::int64_t value) { return Unexpected(std::to_string(value)); }
  bool number_unsigned(std::uint64_t value);
  bool number_float(double, const std::string& text) { return Unexpected(text.substr(0, 40)); }
  bool string(std::string& value);
  template <typename Binary>
  bool binary(Binary&) {
    return Unexpected("binary data");  // JSON text has none
  }
  bool key(std::string& name);
  bool start_object(std::size_t);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t position, const std::string& last_token, const std::exception& error);

 private:
  // What the events are inside of.
  enum class Place : std::uint8_t { kDocument, kTop, kMetadata, kEntry, kShape, kOffsets };
  // What an entry has had, as bits of seen_; and which of them the next value is for.
  enum Field : unsigned { kNoField = 0, kDtypeField = 1, kShapeField = 2, kOffsetsField = 4, kAllFields = 7 };

  bool Fail(Status status);
  bool Unexpected(std::string_view what);  // a value that cannot stand here
  bool TopKey(const std::string& name);
  bool MetadataKey(const std::string& name);
  bool EntryKey(const std::string& name);
  bool FinishEntry();
  bool KeepEntry();
  std::string Subject() const;  // "tensor 'x'"

  const std::string_view json_;
  Header& header_;
  std::uint64_t unclaimed_bytes_;  // of the data, by the entries so far if none overlap
  bool overlap_sought_ = false;
  Status status_;
  Place place_ = Place::kDocument;
  Field field_ = kNoField;
  unsigned seen_ = 0;
  bool metadata_seen_ = false;
  bool in_metadata_value_ = false;               // the value after the key __metadata__
  HeaderTensor tensor_;                          // the entry in progress
  std::array<std::uint64_t, kMaxRank> numbers_;  // the array in progress
  std::size_t number_count_ = 0;
};

}  // namespace shardfs
