// Finds a linear layer's weight and companions in the source and decides its kind (section 3.5).
#pragma once

#include <cstdint>
#include <string>

#include "layout/mindie/deepseek_weights.h"
#include "layout/mindie/source_inventory.h"

namespace shardfs {

enum class LinearRole : std::uint8_t {
  kFloatOnly,   // kv_b_proj: the reference cannot split a quantised one
  kColumn,      // split by rows of the weight: q_b, gate, up
  kRow,         // split by columns of the weight: o, down
  kReplicated,  // q_a, kv_a
};

// Says what to do about a weight that is neither a float nor int8: the end of a message.
std::string WayToBF16(const Checkpoint& checkpoint, const TensorSpec& weight);

// Not thread-safe.
class LinearResolver {
 public:
  // `description` may be null.
  LinearResolver(SourceInventory* inventory, const QuantDescription* description)
      : inventory_(*inventory), description_(description) {}

  // The linear `prefix` of `rows` outputs and `columns` inputs. `quantize` is the effective string of config.json.
  // Whatever is wrong is a defect of the inventory; a kind that cannot be shown makes status() kNotSupported.
  LinearWeights Find(const std::string& prefix, LinearRole role, std::uint64_t rows, std::uint64_t columns,
                     const std::string& quantize, bool is_routed_expert);

  const Status& status() const { return status_; }

 private:
  void FindCompanions(const std::string& prefix, bool scale_is_matrix, std::uint64_t rows, LinearWeights* linear);
  void FindW4A8Companions(const std::string& prefix, LinearRole role, std::uint64_t rows, LinearWeights* linear);
  std::uint64_t RowBiasColumns(const std::string& name) const;
  void CheckDescription(const std::string& name, LinearKind kind);
  void Fail(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  SourceInventory& inventory_;
  const QuantDescription* description_;
  Status status_;
};

}  // namespace shardfs
