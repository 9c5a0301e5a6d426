// The order of work: output files cut into blocks, sorted by where in the source they begin.
//
// Pieces that need the same stretch of a source (the shards of one tensor) stand side by side, so that each source byte
// is read from its device once, also where the page cache is smaller than the source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "shardfs/materialize/materialize_plan.h"

namespace shardfs {

// Pieces are blocks of the output: bytes [block * kBlockBytes, + kBlockBytes) of a file, the last one shorter.
inline constexpr std::uint64_t kBlockBytes = std::uint64_t{4} << 20;

struct Piece {
  std::uint32_t file = 0;   // index in the plan
  std::uint32_t block = 0;  // number in the file

  std::uint64_t begin() const { return std::uint64_t{block} * kBlockBytes; }
  bool operator==(const Piece&) const = default;
};

// How many pieces a file of that size has; an empty file has one, of no bytes.
std::uint32_t BlockCount(std::uint64_t size);

// The bytes of a piece of a file of that size.
std::uint64_t PieceBytes(const Piece& piece, std::uint64_t file_size);

// The pieces of all files for which `wanted` is set, ascending by the first source byte that each needs (source files
// by name). Those that need none come first.
std::vector<Piece> PiecesInSourceOrder(std::span<const PlannedFile> files, const std::vector<bool>& wanted);

// Hands out pieces in order, at most one of a file at a time: two threads that write one tmpfs file do not scale.
// Thread-safety: all members from any thread.
class PieceSchedule {
 public:
  PieceSchedule(std::vector<Piece> pieces, std::size_t files);

  std::size_t size() const { return pieces_.size(); }
  std::span<const Piece> pieces() const { return pieces_; }
  const Piece& piece(std::size_t index) const { return pieces_[index]; }

  // The first piece whose file has no writer, or nothing. A worker that gets nothing may go: files without a writer
  // only become fewer, and a worker that returns one can take it again.
  std::optional<std::size_t> Take();

  // The piece is written; its file is free for another writer.
  void Return(std::size_t index);

  // The next `count` pieces that Take() will give if workers stay as fast as they are now.
  std::vector<std::size_t> Upcoming(std::size_t count) const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  const std::vector<Piece> pieces_;
  std::vector<std::uint32_t> next_;  // by piece: the next one of the same file, or kNone

  mutable std::mutex mutex_;          // guards what follows
  std::set<std::uint32_t> waiting_;   // the first piece left of each file without a writer
  std::vector<std::uint32_t> taken_;  // pieces with a writer, the longest taken first
};

}  // namespace shardfs
