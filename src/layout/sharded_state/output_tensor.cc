#include "layout/sharded_state/output_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "tensor/ops/cast.h"

namespace shardfs {
namespace {

// A range of indices of one axis.
struct Share {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Share EqualShare(std::uint64_t size, std::uint32_t tp, std::uint32_t copies, std::uint32_t rank) {
  const std::uint64_t share = size / (tp / copies);
  return {rank / copies * share, (rank / copies + 1) * share};
}

std::uint64_t VocabShare(std::uint64_t rows, std::uint32_t tp) { return PaddedVocab(rows) / tp; }

Shape ShapeOfPart(const SourcePart& part, std::uint32_t tp) {
  Shape shape = part.shape;
  if (part.cut == RankCut::kRows) shape[0] = shape[0] / (tp / part.copies);
  if (part.cut == RankCut::kColumns) shape[1] = shape[1] / tp;
  if (part.cut == RankCut::kVocab) shape[0] = VocabShare(shape[0], tp);
  return shape;
}

Result<TensorPtr> VocabOfRank(const SourcePart& part, std::uint32_t tp, std::uint32_t rank, TensorPtr source) {
  const std::uint64_t share = VocabShare(part.shape[0], tp);
  const std::uint64_t begin = std::min(rank * share, part.shape[0]);
  const std::uint64_t end = std::min(begin + share, part.shape[0]);
  if (begin == end) return Tensor::Zeros(source->dtype(), {share, part.shape[1]});
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr rows, Tensor::Slice(std::move(source), 0, begin, end));
  return end - begin == share ? rows : Tensor::PadZeros(std::move(rows), 0, 0, share - (end - begin));
}

Result<TensorPtr> PartOfRank(const SourcePart& part, Dtype dtype, std::uint32_t tp, std::uint32_t rank,
                             const TensorPtr& source) {
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr cast, ops::Cast(source, dtype));
  if (part.cut == RankCut::kWhole || (tp == 1 && part.cut != RankCut::kVocab)) return cast;
  if (part.cut == RankCut::kVocab) return VocabOfRank(part, tp, rank, std::move(cast));
  const std::uint64_t axis = part.cut == RankCut::kRows ? 0 : 1;
  const Share share = EqualShare(part.shape[axis], tp, part.copies, rank);
  return Tensor::Slice(std::move(cast), axis, share.begin, share.end);
}

template <typename Number>
std::string Bytes(const std::vector<Number>& numbers) {
  static_assert(std::endian::native == std::endian::little);
  std::string bytes(numbers.size() * sizeof(Number), '\0');
  if (!numbers.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

Result<TensorPtr> ExpertMap(std::uint64_t experts, std::uint32_t tp, std::uint32_t rank) {
  const ExpertRange own = ExpertsOfRank(experts, tp, rank);
  std::vector<std::int32_t> places(experts, -1);
  for (std::uint64_t expert = own.begin; expert < own.end; ++expert) {
    places[expert] = static_cast<std::int32_t>(expert - own.begin);
  }
  return Tensor::Literal(Dtype::kI32, {experts}, Bytes(places));
}

// The experts that a rank has of the stack.
ExpertRange OwnExperts(const OutputTensor& tensor, std::uint32_t tp, std::uint32_t rank) {
  const std::uint64_t experts = tensor.parts.size() / tensor.parts_per_expert;
  return tensor.shares_experts ? ExpertsOfRank(experts, tp, rank) : ExpertRange{0, experts};
}

}  // namespace

ExpertRange ExpertsOfRank(std::uint64_t experts, std::uint32_t tp, std::uint32_t rank) {
  const std::uint64_t least = experts / tp;
  const std::uint64_t larger = experts % tp;  // ranks with one more
  const std::uint64_t begin = rank * least + std::min<std::uint64_t>(rank, larger);
  return {begin, begin + least + (rank < larger ? 1 : 0)};
}

Shape ShapeOfRank(const OutputTensor& tensor, std::uint32_t tp, std::uint32_t rank) {
  if (tensor.kind == OutputTensor::Kind::kOne) return {};
  if (tensor.kind == OutputTensor::Kind::kExpertMap) return {tensor.routed_experts};
  const bool is_stack = tensor.kind == OutputTensor::Kind::kExperts;
  const std::size_t count = is_stack ? tensor.parts_per_expert : tensor.parts.size();
  Shape shape = ShapeOfPart(tensor.parts.front(), tp);
  for (std::size_t i = 1; i < count; ++i) shape[0] += ShapeOfPart(tensor.parts[i], tp)[0];
  if (!is_stack) return shape;
  const ExpertRange own = OwnExperts(tensor, tp, rank);
  shape.insert(shape.begin(), own.end - own.begin);
  return shape;
}

Result<TensorPtr> TensorOfRank(const OutputTensor& tensor, std::uint32_t tp, std::uint32_t rank,
                               std::span<const TensorPtr> sources) {
  if (tensor.kind == OutputTensor::Kind::kOne) return Tensor::Literal(Dtype::kF32, {}, Bytes<float>({1.0F}));
  if (tensor.kind == OutputTensor::Kind::kExpertMap) return ExpertMap(tensor.routed_experts, tp, rank);
  std::size_t begin = 0;
  std::size_t end = tensor.parts.size();
  const bool is_stack = tensor.kind == OutputTensor::Kind::kExperts;
  if (is_stack) {
    const ExpertRange own = OwnExperts(tensor, tp, rank);
    begin = own.begin * tensor.parts_per_expert;
    end = own.end * tensor.parts_per_expert;
  }
  std::vector<TensorPtr> shares;
  shares.reserve(end - begin);
  for (std::size_t i = begin; i < end; ++i) {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr share, PartOfRank(tensor.parts[i], tensor.dtype, tp, rank, sources[i]));
    shares.push_back(std::move(share));
  }
  if (shares.size() == 1 && !is_stack) return std::move(shares.front());
  SHARDFS_ASSIGN_OR_RETURN(TensorPtr joined, Tensor::Concat(std::move(shares), 0));
  return is_stack ? Tensor::Reshape(std::move(joined), ShapeOfRank(tensor, tp, rank))
                  : Result<TensorPtr>(std::move(joined));
}

}  // namespace shardfs
