#include "format/safetensors/header_handler.h"

#include <fmt/format.h>

#include <utility>

#include "base/json_error.h"
#include "format/safetensors/header_tiling.h"
#include "base/quote_name.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {

bool HeaderHandler::Fail(Status status) {
  status_ = std::move(status);
  return false;
}

std::string HeaderHandler::Subject() const { return "tensor " + QuoteName(tensor_.name); }

bool HeaderHandler::Unexpected(std::string_view what) {
  switch (place_) {
    case Place::kDocument:
      return Fail(Status::Corruption(fmt::format("the header is {} instead of an object", what)));
    case Place::kTop:
      if (in_metadata_value_) {
        return Fail(Status::Corruption(fmt::format("{} is {} instead of an object", kMetadataKey, what)));
      }
      return Fail(Status::Corruption(fmt::format("{} is {} instead of an object", Subject(), what)));
    case Place::kMetadata:
      return Fail(Status::Corruption(fmt::format("{}: the value of {} is {} instead of a string", kMetadataKey,
                                                 QuoteName(header_.metadata.back().first), what)));
    case Place::kEntry: {
      const char* name = field_ == kDtypeField ? "dtype" : field_ == kShapeField ? "shape" : "data_offsets";
      const char* expected = field_ == kDtypeField ? "a string" : "an array";
      return Fail(Status::Corruption(fmt::format("{}: {} is {} instead of {}", Subject(), name, what, expected)));
    }
    case Place::kShape:
    case Place::kOffsets:
      break;
  }
  return Fail(Status::Corruption(fmt::format("{}: {} holds {} instead of an integer from 0 to 2^48-1", Subject(),
                                             place_ == Place::kShape ? "shape" : "data_offsets", what)));
}

// The format's own reader takes "__metadata__": null, which some writers write, for no metadata.
bool HeaderHandler::null() { return (place_ == Place::kTop && in_metadata_value_) || Unexpected("null"); }

bool HeaderHandler::number_unsigned(std::uint64_t value) {
  if ((place_ != Place::kShape && place_ != Place::kOffsets) || value > kMaxHeaderNumber) {
    return Unexpected(std::to_string(value));
  }
  if (place_ == Place::kShape && number_count_ == kMaxRank) {
    return Fail(Status::Corruption(fmt::format("{}: shape has more than {} axes", Subject(), kMaxRank)));
  }
  if (place_ == Place::kOffsets && number_count_ == 2) {
    return Fail(Status::Corruption(fmt::format("{}: data_offsets holds more than 2 numbers", Subject())));
  }
  numbers_[number_count_++] = value;
  return true;
}

bool HeaderHandler::string(std::string& value) {
  if (place_ == Place::kMetadata) {
    header_.metadata.back().second = std::move(value);
    return true;
  }
  if (place_ != Place::kEntry || field_ != kDtypeField) return Unexpected("a string");
  const auto dtype = DtypeFromName(value);
  if (!dtype) {
    return Fail(Status::NotSupported(fmt::format("{}: dtype {} is not known", Subject(), QuoteName(value))));
  }
  tensor_.dtype = *dtype;
  return true;
}

bool HeaderHandler::key(std::string& name) {
  switch (place_) {
    case Place::kTop:
      return TopKey(name);
    case Place::kMetadata:
      return MetadataKey(name);
    default:
      return EntryKey(name);  // arrays have no keys
  }
}

bool HeaderHandler::TopKey(const std::string& name) {
  in_metadata_value_ = name == kMetadataKey;
  if (in_metadata_value_) {
    if (metadata_seen_) return Fail(Status::Corruption(fmt::format("{} stands twice in the header", kMetadataKey)));
    metadata_seen_ = true;
    return true;
  }
  if (name.size() > kMaxTensorNameBytes) {
    return Fail(Status::Corruption(fmt::format("the name of tensor {} has {} bytes, more than {}", QuoteName(name),
                                               name.size(), kMaxTensorNameBytes)));
  }
  if (name.find('\0') != name.npos) {
    return Fail(Status::Corruption(fmt::format("the name of tensor {} holds a NUL", QuoteName(name))));
  }
  tensor_.name = name;  // a copy has the right capacity, and leaves the reader its buffer
  seen_ = 0;
  return true;
}

bool HeaderHandler::MetadataKey(const std::string& name) {
  if (header_.metadata.size() == kMaxMetadataEntries) {
    return Fail(Status::NotSupported(fmt::format("{} has more than {} entries", kMetadataKey, kMaxMetadataEntries)));
  }
  header_.metadata.emplace_back(name, std::string());
  return true;
}

bool HeaderHandler::EntryKey(const std::string& name) {
  if (name == "dtype") {
    field_ = kDtypeField;
  } else if (name == "shape") {
    field_ = kShapeField;
  } else if (name == "data_offsets") {
    field_ = kOffsetsField;
  } else {
    return Fail(Status::Corruption(fmt::format("{}: unknown key {}", Subject(), QuoteName(name))));
  }
  if ((seen_ & field_) != 0) return Fail(Status::Corruption(fmt::format("{}: {} stands twice", Subject(), name)));
  seen_ |= field_;
  return true;
}

bool HeaderHandler::start_object(std::size_t) {
  switch (place_) {
    case Place::kDocument:
      place_ = Place::kTop;
      return true;
    case Place::kTop:
      place_ = in_metadata_value_ ? Place::kMetadata : Place::kEntry;
      return true;
    default:
      return Unexpected("an object");
  }
}

bool HeaderHandler::end_object() {
  const Place ended = place_;
  place_ = ended == Place::kTop ? Place::kDocument : Place::kTop;
  return ended == Place::kEntry ? FinishEntry() : true;
}

bool HeaderHandler::start_array(std::size_t) {
  if (place_ != Place::kEntry || field_ == kDtypeField) return Unexpected("an array");
  place_ = field_ == kShapeField ? Place::kShape : Place::kOffsets;
  number_count_ = 0;
  return true;
}

bool HeaderHandler::end_array() {
  if (place_ == Place::kShape) {
    tensor_.shape.assign(numbers_.begin(), numbers_.begin() + static_cast<std::ptrdiff_t>(number_count_));
  } else {
    if (number_count_ != 2) {
      return Fail(
          Status::Corruption(fmt::format("{}: data_offsets holds {} numbers instead of 2", Subject(), number_count_)));
    }
    tensor_.begin = numbers_[0];
    tensor_.end = numbers_[1];
  }
  place_ = Place::kEntry;
  return true;
}

bool HeaderHandler::FinishEntry() {
  if (seen_ != kAllFields) {
    const char* missing = (seen_ & kDtypeField) == 0 ? "dtype" : (seen_ & kShapeField) == 0 ? "shape" : "data_offsets";
    return Fail(Status::Corruption(fmt::format("{} has no {}", Subject(), missing)));
  }
  if (tensor_.end < tensor_.begin) {
    return Fail(Status::Corruption(
        fmt::format("{}: data_offsets end at {}, before their begin at {}", Subject(), tensor_.end, tensor_.begin)));
  }
  const auto elements = ElementCount(tensor_.shape);
  const auto bits = elements.ok() ? CheckedMul(*elements, DtypeBits(tensor_.dtype)) : std::nullopt;
  if (!bits) {
    return Fail(Status::Corruption(fmt::format("{}: the size of shape {} of {} does not fit in 64 bits", Subject(),
                                               ShapeToString(tensor_.shape), DtypeName(tensor_.dtype))));
  }
  if (*bits % 8 != 0) {
    return Fail(Status::Corruption(fmt::format("{}: shape {} of {} is {} bits, which are not whole bytes", Subject(),
                                               ShapeToString(tensor_.shape), DtypeName(tensor_.dtype), *bits)));
  }
  if (*bits / 8 != tensor_.end - tensor_.begin) {
    return Fail(Status::Corruption(fmt::format("{}: shape {} of {} needs {} bytes, but data_offsets [{}, {}] span {}",
                                               Subject(), ShapeToString(tensor_.shape), DtypeName(tensor_.dtype),
                                               *bits / 8, tensor_.begin, tensor_.end, tensor_.end - tensor_.begin)));
  }
  return KeepEntry();
}

bool HeaderHandler::KeepEntry() {
  if (header_.tensors.size() == kMaxTensors) {
    return Fail(Status::NotSupported(fmt::format("the header has more than {} tensors", kMaxTensors)));
  }
  const std::uint64_t size = tensor_.end - tensor_.begin;
  header_.tensors.push_back(std::move(tensor_));
  tensor_ = {};
  if (overlap_sought_) return true;
  if (size <= unclaimed_bytes_) {
    unclaimed_bytes_ -= size;
    return true;
  }
  // Some overlap, or the file is truncated: then the rest of the header is needed to say by how much.
  overlap_sought_ = true;
  const Status status = CheckNoOverlap(header_.tensors);
  return status.ok() || Fail(status);
}

bool HeaderHandler::parse_error(std::size_t position, const std::string& last_token, const std::exception& error) {
  return Fail(Status::Corruption("the header is " + DescribeJsonError(json_, position, last_token, error)));
}

}  // namespace shardfs
