// The CRC-32 of a whole file: of pieces, each on its own thread, and put together in their order.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/parallel.h"
#include "base/quote_name.h"
#include "shardfs/base/checked_math.h"
#include "shardfs/format/ckpt/ckpt.h"

namespace shardfs {

Status CheckCkptCrc(const ByteSource& source, const CkptContent& content) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
  if (!content.crc) return Status::InvalidArgument(QuoteName(source.name()) + " has no crc trailer");
  const std::uint64_t pieces = CeilDiv(content.size, kPieceBytes);
  const auto bytes_of = [&](std::uint64_t piece) { return std::min(kPieceBytes, content.size - piece * kPieceBytes); };
  std::vector<std::uint32_t> sums(pieces);
  std::mutex mutex;  // guards failure
  Status failure;
  ParallelFor(pieces, [&](std::uint64_t piece) {
    std::vector<std::byte> bytes(bytes_of(piece));
    const Status status = source.ReadAt(piece * kPieceBytes, bytes);
    sums[piece] = static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
    if (status.ok()) return;
    const std::scoped_lock lock(mutex);
    failure = status;
  });
  SHARDFS_RETURN_IF_ERROR(failure);
  auto sum = ::crc32(0, nullptr, 0);
  for (std::uint64_t piece = 0; piece < pieces; ++piece) {
    sum = ::crc32_combine(sum, sums[piece], static_cast<z_off_t>(bytes_of(piece)));
  }
  if (sum == *content.crc) return Status::Ok();
  return Status::Corruption(fmt::format(
      "{}: its trailer says crc {:08x} and its bytes have {:08x}: it is damaged, or holds map or offloaded parameters, "
      "which MindSpore leaves out of the sum",
      QuoteName(source.name()), *content.crc, sum));
}

}  // namespace shardfs
