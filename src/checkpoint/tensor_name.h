// What the name of a tensor says: the one parser of layer numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace shardfs {

// The number after the first part "layers" that a number follows: 7 of "model.layers.7.mlp.gate_proj.weight".
struct LayerOfName {
  std::uint64_t layer = 0;
  std::size_t begin = 0;  // of its digits in the name
  std::size_t end = 0;
};

std::optional<LayerOfName> FindLayer(std::string_view name);

}  // namespace shardfs
