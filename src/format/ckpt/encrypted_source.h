// EncryptedSource: the plain bytes of an encrypted .ckpt as a ByteSource. Nothing is decrypted ahead of a read, and no
// plain byte is kept.
//
// AES-GCM gives each block a tag, which the first read that needs the block checks before it gets a byte;
// from then on any range of it is decrypted alone. A block that fails fails every read that needs it, for good. CBC has
// no tag: a changed block gives other bytes, which nothing can tell.
//
// Thread-safety: const members from any number of threads. A read takes a lock only where it is the first of a block.
// Ownership: keeps the file and the key.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "format/ckpt/cipher.h"
#include "shardfs/source/byte_source.h"

namespace shardfs {

class EncryptedSource final : public ByteSource {
 public:
  // `mode`: what the user says that the file is; nothing where the file itself is to be believed. Reads the frames of
  // all blocks, and of CBC their last bytes. kInvalidArgument for a key or a mode that the file does not fit, which a
  // wrong key shows of CBC alone; kCorruption for blocks whose lengths do not fit, or that are followed by other bytes.
  static Result<std::shared_ptr<EncryptedSource>> Open(std::shared_ptr<const ByteSource> file,
                                                       std::shared_ptr<const DecryptionKey> key,
                                                       std::optional<CipherMode> mode);

  CipherMode mode() const { return cipher_->mode(); }

  // While it is on, a read that checks a block has the next few checked beside it, by other threads: for a walk through
  // the file. Not while other threads read.
  void set_checks_ahead(bool on) { checks_ahead_ = on; }

  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override;
  Status CheckUnchanged() const override { return file_->CheckUnchanged(); }
  Status CheckName() const override { return file_->CheckName(); }
  bool IsCached(std::uint64_t offset, std::uint64_t size) const override;
  void Prefetch(std::uint64_t offset, std::uint64_t size) const override;
  void DropCached(std::uint64_t offset, std::uint64_t size) const override;
  std::int64_t mtime_ns() const override { return file_->mtime_ns(); }
  std::uint64_t file_system() const override { return file_->file_system(); }
  std::uint64_t size() const override { return size_; }  // of the plain bytes
  const std::string& name() const override { return file_->name(); }

 private:
  enum class State : std::uint8_t { kUnknown, kRight, kWrong };

  struct Block {
    std::uint64_t begin = 0;   // of its plain bytes
    std::uint64_t size = 0;    // of its plain bytes
    std::uint64_t offset = 0;  // of its cipher bytes in the file
    std::uint64_t cipher_size = 0;
    CipherBytes iv{};
    CipherBytes tag{};  // GCM
  };

  EncryptedSource() = default;

  Status ReadFrames();
  Result<Block> ReadFrame(std::uint64_t offset) const;
  Status CutPadding(Block& block) const;
  std::size_t BlockAt(std::uint64_t offset) const;  // which holds that plain byte
  Status RequireTag(std::size_t index) const;
  Status CheckTag(std::size_t index) const;
  Status ReadCbc(const Block& block, std::uint64_t skip, std::span<std::byte> destination) const;
  Result<CipherBytes> CipherBytesBefore(const Block& block, std::uint64_t position) const;
  // Where plain bytes [offset, offset + size) lie in the file, frames between them included.
  std::pair<std::uint64_t, std::uint64_t> InFile(std::uint64_t offset, std::uint64_t size) const;

  std::shared_ptr<const ByteSource> file_;
  std::unique_ptr<const BlockCipher> cipher_;
  std::vector<Block> blocks_;  // ascending
  std::uint64_t size_ = 0;
  bool checks_ahead_ = false;
  mutable std::unique_ptr<std::atomic<State>[]> states_;  // of each block; GCM alone
  mutable std::array<std::mutex, 16> checking_;           // a block's is that of its number; held while it is checked
};

}  // namespace shardfs
