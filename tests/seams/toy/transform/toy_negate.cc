// Names, shapes and files stay; each tensor's expression is the negation of what it was. Tensors that have no sign bit
// are refused by the expression itself, which is built once for that here.
#include "transform/toy_negate.h"

#include <array>

#include "tensor/ops/arithmetic.h"

namespace shardfs {
namespace {

constexpr std::array<OptionSpec, 1> kOptions = {
    {{"toy_negate", OptionKind::kSwitch, "", "Flip the sign of every element", "no"}}};

class NegatedStateDict final : public StateDict {
 public:
  explicit NegatedStateDict(StateDictPtr input) : input_(std::move(input)) {}

  std::span<const TensorSpec> specs() const override { return input_->specs(); }
  std::optional<std::uint32_t> Find(std::string_view name) const override { return input_->Find(name); }
  Result<TensorPtr> Build(std::uint32_t index) const override {
    SHARDFS_ASSIGN_OR_RETURN(TensorPtr tensor, input_->Build(index));
    return ops::Negate(std::move(tensor));
  }
  std::string_view Origin(std::uint32_t index) const override { return input_->Origin(index); }
  std::optional<SourceSpan> SpanOf(std::uint32_t /*index*/) const override { return std::nullopt; }

 private:
  StateDictPtr input_;
};

}  // namespace

std::span<const OptionSpec> ToyNegateTransform::options() const { return kOptions; }

bool ToyNegateTransform::IsAskedFor(const OptionValues& values) const {
  return values.Switch(kOptions[0]).value_or(false);
}

Result<CheckpointPtr> ToyNegateTransform::Apply(const CheckpointPtr& checkpoint, const OptionValues& /*values*/,
                                                const TransformContext& /*context*/) const {
  Checkpoint::Content content = checkpoint->content();
  const auto negated = std::make_shared<const NegatedStateDict>(checkpoint->shared_tensors());
  for (std::uint32_t i = 0; i < negated->specs().size(); ++i) {
    SHARDFS_RETURN_IF_ERROR(negated->Build(i).status().WithContext(negated->specs()[i].name));
  }
  content.tensors = negated;
  content.transforms.push_back({std::string(name()), "every element with its sign flipped"});
  return std::make_shared<const Checkpoint>(std::move(content));
}

}  // namespace shardfs
