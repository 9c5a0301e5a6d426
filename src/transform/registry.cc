#include <array>

#include "base/instance.h"
#include "shardfs/transform/transform.h"
#include "transform/dequantize.h"
#include "transform/lora.h"
#include "transform/select.h"

namespace shardfs {

// One line a transform, in the order of application, and its header above.
std::span<const Transform* const> Transforms() {
  static const auto all = std::to_array<const Transform*>({
      Instance<DequantizeTransform>(),
      Instance<LoraTransform>(),
      Instance<SelectTransform>(),
  });
  return all;
}

}  // namespace shardfs
