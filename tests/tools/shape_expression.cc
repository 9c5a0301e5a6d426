// Each function takes what it understands from the front of `rest` and leaves the remainder there.
#include "tools/shape_expression.h"

#include <fmt/core.h>

#include <cctype>
#include <charconv>

namespace shardfs::tools {
namespace {

Status Bad(std::string_view expression, std::string_view what) {
  return Status::InvalidArgument(fmt::format("in the expression \"{}\": {}", expression, what));
}

class Evaluation {
 public:
  Evaluation(std::string_view expression, const Names& names) : whole_(expression), rest_(expression), names_(names) {}

  Result<std::uint64_t> Run() {
    SHARDFS_ASSIGN_OR_RETURN(std::uint64_t sum, Term());
    while (Take('+')) {
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t term, Term());
      if (__builtin_add_overflow(sum, term, &sum)) return Bad(whole_, "the sum exceeds 64 bits");
    }
    if (!rest_.empty()) return Bad(whole_, fmt::format("\"{}\" is not understood", rest_));
    return sum;
  }

 private:
  bool Take(char symbol) {
    SkipSpaces();
    if (!rest_.starts_with(symbol)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void SkipSpaces() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }

  Result<std::uint64_t> Term() {
    SHARDFS_ASSIGN_OR_RETURN(std::uint64_t product, Factor());
    while (true) {
      const bool times = Take('*');
      if (!times && !Take('/')) return product;
      SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t factor, Factor());
      if (times) {
        if (__builtin_mul_overflow(product, factor, &product)) return Bad(whole_, "the product exceeds 64 bits");
      } else if (factor == 0 || product % factor != 0) {
        return Bad(whole_, fmt::format("{} is not a multiple of {}", product, factor));
      } else {
        product /= factor;
      }
    }
  }

  Result<std::uint64_t> Factor() {
    SkipSpaces();
    std::size_t length = 0;
    while (length < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[length])) || rest_[length] == '_')) {
      ++length;
    }
    const std::string_view name = rest_.substr(0, length);
    rest_.remove_prefix(length);
    if (name.empty()) return Bad(whole_, "a number or a key of config.json is missing");
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) return number;
    if (name == "layer" && names_.layer) return *names_.layer;
    return names_.config.Number(name);
  }

  std::string_view whole_;
  std::string_view rest_;
  const Names& names_;
};

Result<bool> Compare(std::string_view comparison, const Names& names) {
  const std::size_t at = comparison.find_first_of("<>");
  const bool less = at != std::string_view::npos && comparison[at] == '<';
  if (!less && (at == std::string_view::npos || comparison.substr(at, 2) != ">=")) {
    return Bad(comparison, "neither < nor >= is there");
  }
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t left, Evaluate(comparison.substr(0, at), names));
  SHARDFS_ASSIGN_OR_RETURN(const std::uint64_t right, Evaluate(comparison.substr(at + (less ? 1 : 2)), names));
  return less ? left < right : left >= right;
}

}  // namespace

Result<std::uint64_t> Evaluate(std::string_view expression, const Names& names) {
  return Evaluation(expression, names).Run();
}

Result<bool> Holds(std::string_view condition, const Names& names) {
  if (condition.empty()) return true;
  constexpr std::string_view kAnd = " and ";
  const std::size_t at = condition.find(kAnd);
  if (at == std::string_view::npos) return Compare(condition, names);
  SHARDFS_ASSIGN_OR_RETURN(const bool first, Compare(condition.substr(0, at), names));
  if (!first) return false;
  return Holds(condition.substr(at + kAnd.size()), names);
}

}  // namespace shardfs::tools
