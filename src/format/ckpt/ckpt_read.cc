// The walk: one field of the file after the other; of each entry its name, and of the tensor in it the shape, the type
// and where the content lies. Entries of one name that follow each other are chunks of one tensor, which is checked as
// a whole once the next name begins. Bytes read are those in front of each content, so the cost is a page or two an
// entry whatever the tensors weigh; memory is a hundred bytes a tensor and 16 a chunk.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "base/content_kind.h"
#include "base/quote_name.h"
#include "base/utf8.h"
#include "format/ckpt/ckpt_types.h"
#include "format/ckpt/wire_reader.h"
#include "format/safetensors/header_limits.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/format/ckpt/ckpt.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxFields = std::uint64_t{1} << 26;  // so that a hostile file ends the walk within seconds
constexpr std::uint64_t kMaxEntryBytes = (std::uint64_t{1} << 32) - 1;
constexpr std::string_view kTrailerMark = "crc_num";
constexpr std::uint64_t kTrailerBytes = 17;  // the mark, and a CRC-32 as 10 bytes, big-endian

using Dims = std::vector<std::uint64_t>;

// One entry's message TensorProto.
struct TensorMessage {
  Dims dims;
  std::optional<std::string> type;
  std::optional<FileRange> content;
};

const CkptType* FindType(std::string_view name) {
  const auto found =
      std::find_if(kCkptTypes.begin(), kCkptTypes.end(), [name](const CkptType& type) { return type.name == name; });
  return found == kCkptTypes.end() ? nullptr : &*found;
}

Status Twice(std::string_view what) {
  return Status::Corruption(fmt::format("it has {} twice, which no writer writes", what));
}

class Walker {
 public:
  Walker(const ByteSource& source, std::uint64_t ahead) : source_(source), window_(source, ahead) {}

  Result<CkptContent> Walk() {
    SHARDFS_RETURN_IF_ERROR(CutTrailer());
    if (content_.size == 0) return Status::Corruption("it holds no parameter");
    WireReader file(window_, {0, content_.size});
    std::uint64_t entries = 0;
    while (!file.AtEnd()) {
      const std::uint64_t begin = file.position();
      SHARDFS_ASSIGN_OR_RETURN(const WireField field, NextField(file));
      if (field.number != kCkptValueField || field.type != WireType::kBytes) continue;  // 0.5's model type, say
      if (++entries > kMaxCkptEntries) {
        return Status::NotSupported(fmt::format("it has more than {} entries", kMaxCkptEntries));
      }
      tag_.reset();
      const Status status = AddEntry(field.bytes);
      if (!status.ok()) return failed_before_ ? status : status.WithContext(Subject(begin));
    }
    SHARDFS_RETURN_IF_ERROR(FinishTensor());
    if (entries == 0) return Status::Corruption("it holds no parameter");
    SHARDFS_RETURN_IF_ERROR(CheckUnique());
    return std::move(content_);
  }

 private:
  std::string Subject(std::uint64_t begin) const {
    return tag_ ? fmt::format("entry {} at byte {}", QuoteName(*tag_), begin)
                : fmt::format("the entry at byte {}", begin);
  }

  Status CutTrailer() {
    content_.size = source_.size();
    if (content_.size < kTrailerBytes) return Status::Ok();
    std::array<std::byte, kTrailerBytes> trailer;
    SHARDFS_RETURN_IF_ERROR(source_.ReadAt(content_.size - kTrailerBytes, trailer));
    const std::string_view text(reinterpret_cast<const char*>(trailer.data()), trailer.size());
    if (!text.starts_with(kTrailerMark)) return Status::Ok();
    content_.size -= kTrailerBytes;
    std::uint64_t crc = 0;
    for (const std::byte byte : std::span(trailer).subspan(kTrailerMark.size())) {
      if (crc >> 56 != 0) return Status::Corruption("the number in its crc trailer is none of 32 bits");
      crc = crc << 8 | std::to_integer<std::uint64_t>(byte);
    }
    if (crc > UINT32_MAX) return Status::Corruption("the number in its crc trailer is none of 32 bits");
    content_.crc = static_cast<std::uint32_t>(crc);
    return Status::Ok();
  }

  Result<WireField> NextField(WireReader& reader) {
    if (++fields_ > kMaxFields) return Status::NotSupported(fmt::format("it has more than {} fields", kMaxFields));
    return reader.Next();
  }

  // A message Value.
  Status AddEntry(const FileRange& value) {
    if (value.size > kMaxEntryBytes) {
      return Status::NotSupported(
          fmt::format("it has {} bytes: an entry of 4 GiB or more is none that MindSpore reads", value.size));
    }
    WireReader reader(window_, value);
    std::optional<FileRange> tensor;
    std::optional<FileRange> map;
    while (!reader.AtEnd()) {
      SHARDFS_ASSIGN_OR_RETURN(const WireField field, NextField(reader));
      if (field.type != WireType::kBytes) continue;
      if (field.number == kCkptTagField) {
        if (tag_) return Twice("its name");
        SHARDFS_RETURN_IF_ERROR(ReadTag(field.bytes));
      } else if (field.number == kCkptTensorField || field.number == kCkptMapField) {
        if (tensor || map) return Twice("a value");
        (field.number == kCkptTensorField ? tensor : map) = field.bytes;
      }
    }
    if (!tag_) return Status::Corruption("it has no name");
    if (map) return AddExtra(CkptExtra::Kind::kMap, map->size, false);
    if (!tensor) return Status::Corruption("it has no value");
    SHARDFS_ASSIGN_OR_RETURN(TensorMessage message, ReadTensor(*tensor));
    return AddTensor(std::move(message));
  }

  Status ReadTag(const FileRange& range) {
    if (range.size == 0) return Status::Corruption("its name is empty");
    if (range.size > kMaxTensorNameBytes) {
      return Status::NotSupported(fmt::format("its name has {} bytes, more than {}", range.size, kMaxTensorNameBytes));
    }
    SHARDFS_ASSIGN_OR_RETURN(tag_, ReadWireText(window_, range));
    if (!IsUtf8(*tag_)) return Status::Corruption("its name is not UTF-8");
    if (tag_->find('\0') != std::string::npos) return Status::Corruption("its name holds a NUL");
    return Status::Ok();
  }

  Result<TensorMessage> ReadTensor(const FileRange& range) {
    WireReader reader(window_, range);
    TensorMessage message;
    while (!reader.AtEnd()) {
      SHARDFS_ASSIGN_OR_RETURN(const WireField field, NextField(reader));
      if (field.number == kCkptDimsField) {
        SHARDFS_RETURN_IF_ERROR(ReadDims(field, message.dims));
      } else if (field.type != WireType::kBytes) {
        continue;
      } else if (field.number == kCkptTypeField) {
        if (message.type) return Twice("its type");
        if (field.bytes.size > kMaxTypeBytes) {
          return Status::NotSupported(fmt::format("its type's name has {} bytes", field.bytes.size));
        }
        SHARDFS_ASSIGN_OR_RETURN(message.type, ReadWireText(window_, field.bytes));
      } else if (field.number == kCkptContentField) {
        if (message.content) return Twice("its content");
        message.content = field.bytes;
      }
    }
    if (!message.type) return Status::Corruption("it has no type");
    if (!message.content) return Status::Corruption("it has no content");
    return message;
  }

  // One number, or several packed.
  Status ReadDims(const WireField& field, Dims& dims) {
    if (field.type == WireType::kVarint) return AddDim(field.value, dims);
    if (field.type != WireType::kBytes) return Status::Ok();
    WireReader packed(window_, field.bytes);
    while (!packed.AtEnd()) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t dim, packed.Varint());
      SHARDFS_RETURN_IF_ERROR(AddDim(dim, dims));
    }
    return Status::Ok();
  }

  static Status AddDim(std::uint64_t dim, Dims& dims) {
    if (dim > kMaxCkptDim) {
      return Status::Corruption(fmt::format("its shape has an axis of {}, and the largest is {}",
                                            static_cast<std::int64_t>(dim), kMaxCkptDim));
    }
    if (dims.size() == kMaxRank) {
      return Status::Corruption(fmt::format("its shape has more than {} axes", kMaxRank));
    }
    dims.push_back(dim);
    return Status::Ok();
  }

  // The entries of the name before it are complete once another name begins.
  bool ContinuesLast() const { return has_last_ && *tag_ == last_tag_; }

  Status AddTensor(TensorMessage message) {
    if (*message.type == kCkptStringType) return AddExtra(CkptExtra::Kind::kString, message.content->size, true);
    const CkptType* const type = FindType(*message.type);
    if (type == nullptr) {
      return Status::NotSupported(
          fmt::format("its type {} is none that MindSpore loads from a .ckpt", QuoteName(*message.type)));
    }
    if (ContinuesLast()) {
      if (last_type_ != type || last_dims_ != message.dims) {
        return Status::Corruption(fmt::format("its chunks disagree: {} {} in one, {} {} in the next",
                                              last_type_ == nullptr ? "no tensor" : last_type_->name,
                                              ShapeToString(last_dims_), type->name, ShapeToString(message.dims)));
      }
    } else {
      SHARDFS_RETURN_IF_ERROR(FinishTensor());
      if (content_.tensors.size() == kMaxTensors) {
        return Status::NotSupported(fmt::format("the file has more than {} tensors", kMaxTensors));
      }
      BeginName(type);
      last_dims_ = std::move(message.dims);
      CkptTensor& tensor = content_.tensors.emplace_back();
      tensor.name = *tag_;
      tensor.dtype = type->dtype;
      tensor.is_int4 = type->is_int4;
      tensor.first_chunk = static_cast<std::uint32_t>(content_.chunks.size());
    }
    if (message.content->size != 0) {  // in memory, an empty chunk is none
      content_.chunks.push_back(*message.content);
      ++content_.tensors.back().chunks;
    }
    return Status::Ok();
  }

  Status AddExtra(CkptExtra::Kind kind, std::uint64_t bytes, bool may_continue) {
    if (ContinuesLast()) {
      const bool continues = may_continue && last_type_ == nullptr && content_.extras.back().kind == kind;
      if (!continues) return Status::Corruption("its name stands twice");
      content_.extras.back().bytes += bytes;
      return Status::Ok();
    }
    SHARDFS_RETURN_IF_ERROR(FinishTensor());
    BeginName(nullptr);
    if (content_.extras.size() == kMaxTensors) {
      return Status::NotSupported(fmt::format("the file has more than {} strings and maps", kMaxTensors));
    }
    content_.extras.push_back({*tag_, kind, bytes});
    return Status::Ok();
  }

  void BeginName(const CkptType* type) {
    has_last_ = true;
    last_tag_ = *tag_;
    last_type_ = type;
  }

  // Checks the tensor whose entries came last, if a tensor did.
  Status FinishTensor() {
    if (!has_last_ || last_type_ == nullptr) return Status::Ok();
    CkptTensor& tensor = content_.tensors.back();
    const Status status = Check(tensor);
    failed_before_ = !status.ok();
    return failed_before_ ? status.WithContext("tensor " + QuoteName(tensor.name)) : status;
  }

  Status Check(CkptTensor& tensor) {
    const auto chunks = std::span(content_.chunks).subspan(tensor.first_chunk);
    const std::uint64_t bytes =
        std::accumulate(chunks.begin(), chunks.end(), std::uint64_t{0},
                        [](std::uint64_t sum, const FileRange& chunk) { return sum + chunk.size; });
    if (last_dims_ == Dims{0}) {  // how 2.2 and older write a scalar
      if (bytes == 0) {
        return Status::Corruption(
            "its shape is [0] and it has no content: a scalar or an empty tensor, which cannot be told");
      }
      last_dims_.clear();
    }
    const auto elements = ElementCount(last_dims_);
    const auto needed = elements.ok() ? CheckedMul(*elements, DtypeBytes(tensor.dtype)) : std::nullopt;
    if (!needed) {
      return Status::Corruption(
          fmt::format("the size of its shape {} does not fit in 64 bits", ShapeToString(last_dims_)));
    }
    tensor.is_wide = tensor.dtype == Dtype::kBF16 && bytes != 0 && bytes / 2 == *needed && bytes % 2 == 0;
    if (bytes != *needed && !tensor.is_wide) {
      return Status::Corruption(fmt::format("its shape {} of {} needs {} bytes, and its content has {}",
                                            ShapeToString(last_dims_), DtypeName(tensor.dtype), *needed, bytes));
    }
    tensor.shape = std::move(last_dims_);
    const bool may_be_twice = tensor.is_wide && chunks.size() == 2 && chunks[0].size == *needed;
    return may_be_twice ? CheckWide(chunks[0]) : Status::Ok();
  }

  // Two chunks of the size of the tensor are the halves of a BF16 held as float32, or the tensor twice: the lower
  // halves of the former are zeros.
  Status CheckWide(const FileRange& chunk) {
    const std::uint64_t sample = std::min(chunk.size / 4 * 4, ByteWindow::kBytes);
    if (sample == 0) return Status::Ok();
    SHARDFS_ASSIGN_OR_RETURN(const auto bytes, window_.At(chunk.offset, sample, chunk.offset + sample));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (i % 4 < 2 && bytes[i] != std::byte{0}) {
        return Status::Corruption("it stands twice, one entry behind the other");
      }
    }
    return Status::Ok();
  }

  Status CheckUnique() const {
    std::vector<std::string_view> names;
    names.reserve(content_.tensors.size() + content_.extras.size());
    for (const CkptTensor& tensor : content_.tensors) names.push_back(tensor.name);
    for (const CkptExtra& extra : content_.extras) names.push_back(extra.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice == names.end()) return Status::Ok();
    return Status::Corruption(
        fmt::format("entry {} stands again behind other entries: MindSpore would take the last", QuoteName(*twice)));
  }

  static constexpr std::uint64_t kMaxTypeBytes = 64;

  const ByteSource& source_;
  ByteWindow window_;
  CkptContent content_;
  std::uint64_t fields_ = 0;
  std::optional<std::string> tag_;  // of the entry that is being read
  bool failed_before_ = false;      // whether what is wrong is in the entries before it
  // These describe the last entry of the name before.
  bool has_last_ = false;
  std::string last_tag_;
  const CkptType* last_type_ = nullptr;  // null for a string or a map
  Dims last_dims_;
};

// What the file is instead, by its first bytes; empty where they may be a .ckpt's.
Result<std::string> DescribeForeign(const ByteSource& source, std::uint64_t ahead) {
  if (source.size() == 0) return std::string("is empty (0 bytes): it holds no parameter");
  std::string first(std::min<std::uint64_t>({source.size(), kContentKindBytes, ahead}), '\0');
  SHARDFS_RETURN_IF_ERROR(source.ReadAt(0, std::as_writable_bytes(std::span(first))));
  if (first[0] == '\x08') {
    return std::string("is a parallel strategy file of MindSpore, no weights: give it as a strategy, or leave it out");
  }
  const ContentKind kind = RecogniseContent(first, source.size());
  if (kind == ContentKind::kUnknown || kind == ContentKind::kProtobuf || first[0] == '\x0A') return std::string();
  return std::string(DescribeContentKind(kind));
}

}  // namespace

Result<CkptContent> ReadCkpt(const ByteSource& source, std::uint64_t ahead) {
  const std::string name = QuoteName(source.name());
  SHARDFS_ASSIGN_OR_RETURN(const std::string foreign, DescribeForeign(source, ahead));
  if (!foreign.empty()) return Status::Corruption(fmt::format("{} {}", name, foreign));
  auto content = Walker(source, ahead).Walk();
  if (!content.ok()) return content.status().WithContext(name);
  return content;
}

}  // namespace shardfs
