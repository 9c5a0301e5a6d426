#include "checkpoint/tensor_name.h"

#include <algorithm>

#include "base/parse_number.h"

namespace shardfs {

std::optional<LayerOfName> FindLayer(std::string_view name) {
  constexpr std::string_view kLayers = "layers";
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::size_t next_end = std::min(name.find('.', end + 1), name.size());
    if (name.substr(begin, end - begin) == kLayers && end < name.size()) {
      const auto number = ParseNumber<std::uint64_t>(name.substr(end + 1, next_end - end - 1));
      if (number) return LayerOfName{*number, end + 1, next_end};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace shardfs
