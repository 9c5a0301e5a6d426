// A text becomes steps in reverse Polish notation by recursive descent (sum, product, value in parentheses), so that
// nothing but a stack is needed when it is computed. A text is short, which bounds the recursion.
#include "layout/rank_cut/expression.h"

#include <fmt/format.h>

#include "base/parse_number.h"
#include "base/quote_name.h"
#include "layout/rank_cut/refusal.h"

namespace shardfs::rank_cut {
namespace {

constexpr std::size_t kMaxTextBytes = 512;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

}  // namespace

class Expression::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Step>> Parse() {
    SHARDFS_RETURN_IF_ERROR(Sum());
    if (Peek() != 0) return Wrong(fmt::format("'{}' does not belong there", text_.substr(at_)));
    return std::move(steps_);
  }

 private:
  Status Wrong(std::string_view problem) const {
    return Refuse("bad-rule", fmt::format("expression {}: {}", QuoteName(text_), problem));
  }

  char Peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  template <typename Operand>
  Status Chain(std::string_view operators, const Operand& operand) {
    SHARDFS_RETURN_IF_ERROR(operand());
    for (char op = Peek(); op != 0 && operators.find(op) != std::string_view::npos; op = Peek()) {
      ++at_;
      SHARDFS_RETURN_IF_ERROR(operand());
      steps_.push_back({op, 0, ""});
    }
    return Status::Ok();
  }

  Status Sum() {
    return Chain("+-", [this] { return Product(); });
  }
  Status Product() {
    return Chain("*/", [this] { return Value(); });
  }

  Status Value() {
    const char first = Peek();
    const std::size_t begin = at_;
    if (first == '(') {
      ++at_;
      SHARDFS_RETURN_IF_ERROR(Sum());
      if (Peek() != ')') return Wrong("a parenthesis is not closed");
      ++at_;
    } else if (IsDigit(first)) {
      while (at_ < text_.size() && IsDigit(text_[at_])) ++at_;
      const auto number = ParseNumber<std::int64_t>(text_.substr(begin, at_ - begin));
      if (!number) return Wrong("a number is too large");
      steps_.push_back({'#', *number, ""});
    } else if (IsNameStart(first)) {
      while (at_ < text_.size() && (IsNameStart(text_[at_]) || IsDigit(text_[at_]))) ++at_;
      steps_.push_back({'$', 0, std::string(text_.substr(begin, at_ - begin))});
    } else {
      return Wrong(first == 0 ? std::string("it ends where a number or a name must stand")
                              : fmt::format("'{}' stands where a number or a name must stand", text_.substr(at_)));
    }
    return Status::Ok();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Step> steps_;
};

Expression Expression::Number(std::uint64_t number) {
  Expression expression;
  expression.text_ = std::to_string(number);
  expression.steps_ = {{'#', static_cast<std::int64_t>(number), ""}};
  return expression;
}

Result<Expression> Expression::Parse(std::string_view text) {
  constexpr std::string_view kConfig = "config:";
  if (text.size() > kMaxTextBytes) {
    return Refuse("bad-rule",
                  fmt::format("expression {} has {} bytes, more than {}", QuoteName(text), text.size(), kMaxTextBytes));
  }
  Expression expression;
  expression.text_ = text;
  std::string_view rest = text;
  if (text.starts_with(kConfig)) {
    const std::size_t equals = std::min(text.find('='), text.size());
    expression.config_key_ = text.substr(kConfig.size(), equals - kConfig.size());
    if (expression.config_key_->empty()) {
      return Refuse("bad-rule", fmt::format("expression {} names no key of config.json", QuoteName(text)));
    }
    expression.steps_.clear();
    if (equals == text.size()) return expression;
    rest = text.substr(equals + 1);
  }
  SHARDFS_ASSIGN_OR_RETURN(expression.steps_, Parser(rest).Parse());
  return expression;
}

std::vector<std::string> Expression::Names() const {
  std::vector<std::string> names;
  for (const Step& step : steps_) {
    if (step.op == '$') names.push_back(step.name);
  }
  return names;
}

Result<std::int64_t> Expression::Evaluate(const Context& context) const {
  if (!config_key_) return Compute(context);
  const JsonValue* value = context.config;
  for (std::size_t begin = 0; value != nullptr && begin <= config_key_->size();) {
    const std::size_t end = std::min(config_key_->find('.', begin), config_key_->size());
    value = value->Find(std::string_view(*config_key_).substr(begin, end - begin));
    begin = end + 1;
  }
  if (value != nullptr && !value->is_null()) {
    if (const auto number = value->AsInt64()) return *number;
    return Refuse("unknown-dim",
                  fmt::format("{}: {} of config.json is no whole number", QuoteName(text_), QuoteName(*config_key_)));
  }
  if (!steps_.empty()) return Compute(context);
  return Refuse("unknown-dim", fmt::format("{}: config.json {} {}", QuoteName(text_),
                                           context.config == nullptr ? "is missing, so there is no" : "has no",
                                           QuoteName(*config_key_)));
}

Result<std::int64_t> Expression::Compute(const Context& context) const {
  std::vector<std::int64_t> stack;
  for (const Step& step : steps_) {
    if (step.op == '#') {
      stack.push_back(step.number);
      continue;
    }
    if (step.op == '$') {
      SHARDFS_ASSIGN_OR_RETURN(const std::int64_t value, context.value_of(step.name));
      stack.push_back(value);
      continue;
    }
    const std::int64_t b = stack.back();
    stack.pop_back();
    std::int64_t& a = stack.back();
    bool fits = true;
    if (step.op == '+') fits = !__builtin_add_overflow(a, b, &a);
    if (step.op == '-') fits = !__builtin_sub_overflow(a, b, &a);
    if (step.op == '*') fits = !__builtin_mul_overflow(a, b, &a);
    if (step.op == '/') {
      if (b == 0) return Refuse("bad-rule", fmt::format("expression {} divides by 0", QuoteName(text_)));
      fits = b != -1 || a != INT64_MIN;
      if (fits) a = a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
    }
    if (!fits) return Refuse("bad-rule", fmt::format("expression {} is too large", QuoteName(text_)));
  }
  return stack.back();
}

}  // namespace shardfs::rank_cut
