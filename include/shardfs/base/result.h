// Result<T>: a value, or the Status that says why there is none.
//
// Invariant: holds exactly one of a T and a Status that is not OK. Accessing the value of a failed Result is a
// programmer's error (asserted).
#pragma once

#include <cassert>
#include <optional>
#include <utility>

#include "shardfs/base/status.h"

namespace shardfs {

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : value_(std::move(value)) {}                                  // NOLINT: implicit on purpose
  Result(Status status) : status_(std::move(status)) { assert(!status_.ok()); }  // NOLINT: implicit on purpose
  template <typename U>
  requires(std::is_convertible_v<U&&, T> && !std::is_convertible_v<U&&, Status> &&
           !std::is_same_v<std::decay_t<U>, Result>) Result(U&& value)
      : value_(std::forward<U>(value)) {}  // NOLINT: implicit on purpose

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }

  T& value() & {
    assert(ok());
    return *value_;
  }
  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return *std::move(value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace shardfs

#define SHARDFS_CONCAT_INNER(a, b) a##b
#define SHARDFS_CONCAT(a, b) SHARDFS_CONCAT_INNER(a, b)

// SHARDFS_ASSIGN_OR_RETURN(auto x, F()): x becomes the value of F(), or the enclosing function returns its Status.
#define SHARDFS_ASSIGN_OR_RETURN(target, expression) \
  SHARDFS_ASSIGN_OR_RETURN_INNER(SHARDFS_CONCAT(shardfs_result_, __LINE__), target, expression)
#define SHARDFS_ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) [[unlikely]]                                   \
    return result.status();                                        \
  target = std::move(result).value()
