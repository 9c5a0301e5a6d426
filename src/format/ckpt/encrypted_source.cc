// The file is a row of blocks, each with a frame in front (magic, tag, lengths, iv) and each encrypted for itself.
// Opening walks the frames; a read finds the first block by its plain offset and goes on from block to block.
#include "format/ckpt/encrypted_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

#include "base/parallel.h"
#include "base/quote_name.h"

namespace shardfs {
namespace {

constexpr std::uint64_t kMaxPlainBytes = std::uint64_t{64} << 20;  // of a block
constexpr std::size_t kMaxBlocks = std::size_t{1} << 22;
constexpr std::uint64_t kMagicBytes = 4;
constexpr std::uint64_t kLengthBytes = 4;

std::uint32_t LittleEndian(const std::byte* bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
  return value;
}

std::uint64_t FrameBytes(CipherMode mode) {
  return kMagicBytes + (mode == CipherMode::kAesGcm ? kCipherBytes : 0) + kLengthBytes * 3 + kCipherBytes;
}

}  // namespace

Result<std::shared_ptr<EncryptedSource>> EncryptedSource::Open(std::shared_ptr<const ByteSource> file,
                                                               std::shared_ptr<const DecryptionKey> key,
                                                               std::optional<CipherMode> mode) {
  const std::string name = QuoteName(file->name());
  std::array<std::byte, kMagicBytes> first{};
  SHARDFS_RETURN_IF_ERROR(file->ReadAt(0, std::span(first).first(std::min<std::uint64_t>(file->size(), kMagicBytes))));
  const auto actual = CipherModeOf(first);
  if (!actual) return Status::InvalidArgument(name + " is not encrypted");
  if (mode && *mode != *actual) {
    return Status::InvalidArgument(fmt::format("dec_mode is {}, and {} is encrypted with {}", CipherModeName(*mode),
                                               name, CipherModeName(*actual)));
  }
  const std::shared_ptr<EncryptedSource> source(new EncryptedSource);
  source->file_ = std::move(file);
  auto cipher = BlockCipher::Create(*actual, std::move(key));
  if (!cipher.ok()) return cipher.status().WithContext(name);
  source->cipher_ = std::move(cipher).value();
  const Status status = source->ReadFrames();
  if (!status.ok()) return status.WithContext(name);
  return source;
}

Status EncryptedSource::ReadFrames() {
  for (std::uint64_t at = 0; at < file_->size();) {
    auto read = ReadFrame(at);
    if (!read.ok()) return read.status().WithContext(fmt::format("the encrypted block at byte {}", at));
    Block& block = *read;
    block.begin = size_;
    if (blocks_.size() == kMaxBlocks) {
      return Status::NotSupported(fmt::format("it has more than {} encrypted blocks", kMaxBlocks));
    }
    size_ += block.size;
    at = block.offset + block.cipher_size;
    blocks_.push_back(block);
  }
  states_ = std::make_unique<std::atomic<State>[]>(blocks_.size());
  return Status::Ok();
}

Result<EncryptedSource::Block> EncryptedSource::ReadFrame(std::uint64_t offset) const {
  const bool is_gcm = mode() == CipherMode::kAesGcm;
  const std::uint64_t size = FrameBytes(mode());
  std::array<std::byte, 64> frame{};
  const std::uint64_t left = file_->size() - offset;
  const auto present = std::span(frame).first(std::min(size, left));
  SHARDFS_RETURN_IF_ERROR(file_->ReadAt(offset, present));
  if (CipherModeOf(present) != mode()) {
    return Status::Corruption(
        "it does not begin as a block does: the file is damaged, or has bytes that were not encrypted (a crc trailer, "
        "map "
        "or huge parameters), which MindSpore cannot load either");
  }
  if (left < size) return Status::Corruption(fmt::format("{} bytes are left, and its frame has {}", left, size));
  Block block;
  const std::byte* at = frame.data() + kMagicBytes;
  if (is_gcm) {
    std::memcpy(block.tag.data(), at, kCipherBytes);
    at += kCipherBytes;
  }
  const std::uint64_t length = LittleEndian(at);
  const std::uint64_t iv_size = LittleEndian(at + kLengthBytes);
  std::memcpy(block.iv.data(), at + 2 * kLengthBytes, kCipherBytes);
  block.cipher_size = LittleEndian(at + 2 * kLengthBytes + kCipherBytes);
  block.offset = offset + size;
  if (iv_size != kCipherBytes || length != block.cipher_size + 24) {
    return Status::Corruption(fmt::format("its lengths do not fit each other: {} for {} of iv and {} of content",
                                          length, iv_size, block.cipher_size));
  }
  const std::uint64_t largest = kMaxPlainBytes + (is_gcm ? 0 : kCipherBytes);
  if (block.cipher_size == 0 || block.cipher_size > largest || (!is_gcm && block.cipher_size % kCipherBytes != 0)) {
    return Status::Corruption(fmt::format("its content has {} bytes, which no block has", block.cipher_size));
  }
  if (block.cipher_size > left - size) {
    return Status::Corruption(
        fmt::format("its content has {} bytes, and {} are left of the file", block.cipher_size, left - size));
  }
  block.size = block.cipher_size;
  if (!is_gcm) SHARDFS_RETURN_IF_ERROR(CutPadding(block));
  return block;
}

// PKCS#7: n bytes of value n, 1 to 16.
Status EncryptedSource::CutPadding(Block& block) const {
  SHARDFS_ASSIGN_OR_RETURN(const CipherBytes iv, CipherBytesBefore(block, block.cipher_size - kCipherBytes));
  std::array<std::byte, kCipherBytes> last{};
  SHARDFS_RETURN_IF_ERROR(file_->ReadAt(block.offset + block.cipher_size - kCipherBytes, last));
  SHARDFS_RETURN_IF_ERROR(cipher_->DecryptCbc(iv, last));
  const auto count = std::to_integer<std::uint64_t>(last.back());
  const bool fits = count >= 1 && count <= kCipherBytes &&
                    std::all_of(last.end() - static_cast<std::ptrdiff_t>(std::min(count, kCipherBytes)), last.end(),
                                [&last](std::byte byte) { return byte == last.back(); });
  if (!fits) return Status::Corruption("its padding is wrong: the key is another one, or the file is damaged");
  block.size = block.cipher_size - count;
  return Status::Ok();
}

std::size_t EncryptedSource::BlockAt(std::uint64_t offset) const {
  const auto behind = std::upper_bound(blocks_.begin(), blocks_.end(), offset,
                                       [](std::uint64_t at, const Block& block) { return at < block.begin; });
  return static_cast<std::size_t>(behind - blocks_.begin()) - 1;
}

Status EncryptedSource::ReadAt(std::uint64_t offset, std::span<std::byte> destination) const {
  if (offset > size_ || destination.size() > size_ - offset) {
    return Status::InvalidArgument(fmt::format("a read of {} bytes at offset {} of {} goes beyond its {} bytes",
                                               destination.size(), offset, QuoteName(name()), size_));
  }
  if (destination.empty()) return file_->CheckUnchanged();
  const bool is_gcm = mode() == CipherMode::kAesGcm;
  // All of them first, so that a failed read has decrypted nothing.
  const std::size_t first = BlockAt(offset);
  const std::size_t last = BlockAt(offset + destination.size() - 1);
  for (std::size_t index = first; is_gcm && index <= last; ++index) SHARDFS_RETURN_IF_ERROR(RequireTag(index));
  for (std::size_t index = first; index <= last; ++index) {
    const Block& block = blocks_[index];
    const std::uint64_t skip = offset - block.begin;
    const auto part = destination.first(std::min<std::uint64_t>(block.size - skip, destination.size()));
    if (is_gcm) {
      SHARDFS_RETURN_IF_ERROR(file_->ReadAt(block.offset + skip, part));
      SHARDFS_RETURN_IF_ERROR(cipher_->DecryptGcm(block.iv, skip, part));
    } else {
      SHARDFS_RETURN_IF_ERROR(ReadCbc(block, skip, part));
    }
    destination = destination.subspan(part.size());
    offset += part.size();
  }
  return Status::Ok();
}

Status EncryptedSource::RequireTag(std::size_t index) const {
  if (states_[index].load(std::memory_order_acquire) == State::kRight) return Status::Ok();
  if (checks_ahead_) {
    const std::size_t count =
        std::min<std::size_t>(blocks_.size() - index, std::max(1u, std::thread::hardware_concurrency()));
    ParallelFor(count, [&](std::size_t i) {
      if (states_[index + i].load(std::memory_order_acquire) == State::kUnknown) static_cast<void>(CheckTag(index + i));
    });
  }
  return CheckTag(index);
}

Status EncryptedSource::CheckTag(std::size_t index) const {
  const std::scoped_lock lock(checking_[index % checking_.size()]);
  const Block& block = blocks_[index];
  State state = states_[index].load(std::memory_order_acquire);
  if (state == State::kUnknown) {
    std::uint64_t done = 0;
    SHARDFS_ASSIGN_OR_RETURN(
        const bool is_right,
        cipher_->HasTag(block.iv, block.tag, [&](std::span<std::byte> piece) -> Result<std::size_t> {
          const auto part = piece.first(std::min<std::uint64_t>(piece.size(), block.size - done));
          if (!part.empty()) SHARDFS_RETURN_IF_ERROR(file_->ReadAt(block.offset + done, part));
          done += part.size();
          return part.size();
        }));
    state = is_right ? State::kRight : State::kWrong;
    states_[index].store(state, std::memory_order_release);
  }
  if (state == State::kRight) return Status::Ok();
  return Status::Corruption(fmt::format(
      "{}: the tag of the encrypted block at byte {} does not fit its content: the key is another one, or the "
      "file is damaged",
      QuoteName(name()), block.offset - FrameBytes(mode())));
}

// The cipher block before that position of the content, which is the iv of what follows.
Result<CipherBytes> EncryptedSource::CipherBytesBefore(const Block& block, std::uint64_t position) const {
  if (position == 0) return block.iv;
  CipherBytes bytes{};
  SHARDFS_RETURN_IF_ERROR(
      file_->ReadAt(block.offset + position - kCipherBytes, std::as_writable_bytes(std::span(bytes))));
  return bytes;
}

// The 16 bytes that the range begins and ends within go by a buffer, the whole ones between are decrypted in place.
Status EncryptedSource::ReadCbc(const Block& block, std::uint64_t skip, std::span<std::byte> destination) const {
  std::uint64_t position = skip / kCipherBytes * kCipherBytes;
  std::uint64_t within = skip - position;
  SHARDFS_ASSIGN_OR_RETURN(CipherBytes iv, CipherBytesBefore(block, position));
  while (!destination.empty()) {
    std::array<std::byte, kCipherBytes> buffer{};
    const bool is_whole = within == 0 && destination.size() >= kCipherBytes;
    const auto cipher =
        is_whole ? destination.first(destination.size() / kCipherBytes * kCipherBytes) : std::span(buffer);
    SHARDFS_RETURN_IF_ERROR(file_->ReadAt(block.offset + position, cipher));
    CipherBytes next{};
    std::memcpy(next.data(), cipher.data() + cipher.size() - kCipherBytes, kCipherBytes);
    SHARDFS_RETURN_IF_ERROR(cipher_->DecryptCbc(iv, cipher));
    iv = next;
    position += cipher.size();
    if (is_whole) {
      destination = destination.subspan(cipher.size());
      continue;
    }
    const std::size_t bytes = std::min(kCipherBytes - within, destination.size());
    std::memcpy(destination.data(), buffer.data() + within, bytes);
    destination = destination.subspan(bytes);
    within = 0;
  }
  return Status::Ok();
}

std::pair<std::uint64_t, std::uint64_t> EncryptedSource::InFile(std::uint64_t offset, std::uint64_t size) const {
  if (offset >= size_ || size == 0) return {0, 0};
  size = std::min(size, size_ - offset);
  const Block& first = blocks_[BlockAt(offset)];
  const Block& last = blocks_[BlockAt(offset + size - 1)];
  const std::uint64_t begin = first.offset + (offset - first.begin);
  return {begin, last.offset + (offset + size - last.begin) - begin};
}

bool EncryptedSource::IsCached(std::uint64_t offset, std::uint64_t size) const {
  const auto [begin, bytes] = InFile(offset, size);
  return file_->IsCached(begin, bytes);
}

void EncryptedSource::Prefetch(std::uint64_t offset, std::uint64_t size) const {
  const auto [begin, bytes] = InFile(offset, size);
  file_->Prefetch(begin, bytes);
}

void EncryptedSource::DropCached(std::uint64_t offset, std::uint64_t size) const {
  const auto [begin, bytes] = InFile(offset, size);
  file_->DropCached(begin, bytes);
}

}  // namespace shardfs
