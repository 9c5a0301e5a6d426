// The weight kinds of linear layers (spec/mindie-weight-sharder.md, section 3.5).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace shardfs {

enum class LinearKind : std::uint8_t { kFloat, kW8A8, kW8A8Dynamic, kW8A16, kW4A8Dynamic };

// As a description writes it: "FLOAT", "W8A8_DYNAMIC".
constexpr std::string_view LinearKindName(LinearKind kind) {
  switch (kind) {
    case LinearKind::kFloat:
      return "FLOAT";
    case LinearKind::kW8A8:
      return "W8A8";
    case LinearKind::kW8A8Dynamic:
      return "W8A8_DYNAMIC";
    case LinearKind::kW8A16:
      return "W8A16";
    case LinearKind::kW4A8Dynamic:
      return "W4A8_DYNAMIC";
  }
  return "";
}

// The kind of an integer weight, by the effective quantize string of config.json.
constexpr std::optional<LinearKind> LinearKindOfQuantize(std::string_view quantize) {
  if (quantize == "w8a8") return LinearKind::kW8A8;
  if (quantize == "w8a8_dynamic") return LinearKind::kW8A8Dynamic;
  if (quantize == "w8a16") return LinearKind::kW8A16;
  if (quantize == "w4a8_dynamic") return LinearKind::kW4A8Dynamic;
  return std::nullopt;
}

}  // namespace shardfs
