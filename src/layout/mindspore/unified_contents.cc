// One pass over all files in the order of their ranks, and in each in the order of its tensors: what a name is decided
// at first sight, and total_size grows with every slice, as MindSpore counts it. Then what no part has is dealt out:
// rank 0's tensors to hyper_param.safetensors, and the others are either lost, which is refused, or left out with a
// reason.
#include "layout/mindspore/unified_contents.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/quote_name.h"
#include "shardfs/base/checked_math.h"

namespace shardfs {
namespace {

constexpr std::string_view kGradients = "accu_grads";
constexpr char kIsFiltered[] = "filter_out_param_prefix leaves it out";
constexpr char kIsGradient[] = "unified checkpoints have no accumulated gradients";

// Bytes of that many elements of the shape at 4 each; nothing where they do not fit.
std::optional<std::uint64_t> CountedBytes(const Shape& shape) {
  const auto elements = ElementCount(shape);
  return elements.ok() ? CheckedMul(*elements, kUnifiedElementBytes) : std::nullopt;
}

Status TooLarge(std::string_view name) {
  return Status::NotSupported(fmt::format("the sizes up to {} do not fit into 64 bits", QuoteName(name)));
}

// Names that are taken, and the sum of all sizes.
class Store {
 public:
  explicit Store(const UnifiedOptions& options) : options_(options) {}

  Status Add(std::uint32_t index, std::string_view name, const Shape& full, UnifiedContents& contents) {
    const auto size = CountedBytes(full);
    const auto sum = size ? CheckedAdd(sum_, *size) : std::nullopt;
    if (!sum) return TooLarge(name);
    sum_ = *sum;
    if (*size == 0 && !options_.complete) {
      return Status::NotSupported(fmt::format(
          "parameter {} has no elements, and MindSpore fails on such; give --complete to have it", QuoteName(name)));
    }
    std::string new_name = options_.NewNameOf(name);
    if (!taken_.insert(new_name).second) {
      return Status::InvalidArgument(
          fmt::format("{} and another parameter would both be called {}", QuoteName(name), QuoteName(new_name)));
    }
    contents.stored.push_back({index, std::move(new_name), *size});
    return Status::Ok();
  }

  static Status Count(std::string_view name, const Shape& slice, UnifiedContents& contents) {
    const auto size = CountedBytes(slice);
    const auto total = size ? CheckedAdd(contents.total_size, *size) : std::nullopt;
    if (!total) return TooLarge(name);
    contents.total_size = *total;
    return Status::Ok();
  }

 private:
  const UnifiedOptions& options_;
  std::unordered_set<std::string> taken_;
  std::uint64_t sum_ = 0;
};

class Collector {
 public:
  Collector(const MindsporeSource& source, const UnifiedOptions& options)
      : source_(source), options_(options), store_(options), kinds_(source.names(), Kind::kUnseen) {}

  Result<UnifiedContents> Collect() {
    for (const SourceFile& file : source_.files()) {
      for (const StoredTensor& tensor : file.tensors) SHARDFS_RETURN_IF_ERROR(See(tensor));
    }
    if (contents_.stored.empty()) {
      return Status::InvalidArgument(
          "no parameter is left to store: the files hold none that the strategy names and no prefix leaves out");
    }
    SHARDFS_RETURN_IF_ERROR(DealOutTheRest());
    return std::move(contents_);
  }

 private:
  enum class Kind : std::uint8_t { kUnseen, kStored, kFiltered, kGradient, kHyper };

  Status See(const StoredTensor& tensor) {
    Kind& kind = kinds_[tensor.name];
    if (kind == Kind::kFiltered || kind == Kind::kGradient || kind == Kind::kHyper) return Status::Ok();
    const std::string_view name = source_.NameOf(tensor.name);
    const auto parameter = source_.ParameterOf(tensor.name);
    if (!parameter || name.starts_with(kGradients)) {
      kind = parameter ? Kind::kGradient : Kind::kHyper;
      return Status::Ok();
    }
    // MindSpore counts before it asks whether the name is to stay.
    SHARDFS_RETURN_IF_ERROR(Store::Count(name, source_.ShapeOf(tensor.shape), contents_));
    if (kind == Kind::kStored) return Status::Ok();
    if (options_.LeavesOut(name)) {
      kind = Kind::kFiltered;
      return Status::Ok();
    }
    kind = Kind::kStored;
    const SourceParameter& whole = source_.parameters()[*parameter];
    SHARDFS_RETURN_IF_ERROR(whole.defect);
    return store_.Add(*parameter, name, whole.full, contents_);
  }

  Status DealOutTheRest() {
    std::vector<std::string> lost;
    std::vector<bool> done(source_.names(), false);
    const auto files = source_.files();
    for (std::uint32_t file = 0; file < files.size(); ++file) {
      for (std::uint32_t i = 0; i < files[file].tensors.size(); ++i) {
        const std::uint32_t name = files[file].tensors[i].name;
        if (kinds_[name] == Kind::kStored || done[name]) continue;
        done[name] = true;
        Take(file, i, lost);
      }
    }
    if (lost.empty()) return Status::Ok();
    return Status::Corruption(fmt::format(
        "{} of other ranks than 0 {} in no strategy, and MindSpore would lose {} without a word: {}{}; give --complete "
        "to have {} in hyper_param.safetensors",
        lost.size() == 1 ? "a tensor" : fmt::format("{} tensors", lost.size()), lost.size() == 1 ? "is" : "are",
        lost.size() == 1 ? "it" : "them", QuoteName(lost.front()),
        lost.size() == 1 ? "" : fmt::format(" and {} more", lost.size() - 1), lost.size() == 1 ? "it" : "them"));
  }

  // The first of a name that no part has.
  void Take(std::uint32_t file, std::uint32_t index, std::vector<std::string>& lost) {
    const SourceFile& from = source_.files()[file];
    const StoredTensor& tensor = from.tensors[index];
    const std::string name(source_.NameOf(tensor.name));
    const Kind kind = kinds_[tensor.name];
    const bool is_of_rank_0 = from.rank == 0;
    if (kind == Kind::kHyper) {
      if (is_of_rank_0 || options_.complete) {
        contents_.hyper.push_back({file, index});
      } else {
        lost.push_back(name);
      }
      return;
    }
    if (is_of_rank_0 && !options_.complete) {
      contents_.hyper.push_back({file, index});
      contents_.left_slices.push_back(name);
      return;
    }
    const auto parameter = source_.ParameterOf(tensor.name);
    const SourceParameter& whole = source_.parameters()[*parameter];
    const TensorSpec spec{name, whole.dtype, whole.full};
    contents_.ignored.push_back({name, kind == Kind::kFiltered ? kIsFiltered : kIsGradient, BytesOf(spec)});
  }

  const MindsporeSource& source_;
  const UnifiedOptions& options_;
  Store store_;
  std::vector<Kind> kinds_;  // by name
  UnifiedContents contents_;
};

}  // namespace

Result<UnifiedContents> CollectUnified(const MindsporeSource& source, const UnifiedOptions& options) {
  return Collector(source, options).Collect();
}

Result<UnifiedContents> CollectUnified(const StateDict& tensors, const UnifiedOptions& options) {
  UnifiedContents contents;
  Store store(options);
  for (std::uint32_t i = 0; i < tensors.specs().size(); ++i) {
    const TensorSpec& spec = tensors.specs()[i];
    const bool is_gradient = spec.name.starts_with(kGradients);
    if (is_gradient || options.LeavesOut(spec.name)) {
      contents.ignored.push_back({std::string(spec.name), is_gradient ? kIsGradient : kIsFiltered, BytesOf(spec)});
      continue;
    }
    SHARDFS_RETURN_IF_ERROR(Store::Count(spec.name, spec.shape, contents));
    SHARDFS_RETURN_IF_ERROR(store.Add(i, spec.name, spec.shape, contents));
  }
  if (contents.stored.empty()) return Status::InvalidArgument("no tensor is left to store");
  return contents;
}

}  // namespace shardfs
