// Environment variables for the time of a test.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace shardfs {

// Sets a variable (or removes it, given nothing), and puts back what was there.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    Set(value);
  }
  ~ScopedVariable() { Set(before_); }
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  void Set(const std::optional<std::string>& value) const {
    if (value) {
      ::setenv(name_, value->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }

  const char* name_;
  std::optional<std::string> before_;
};

// None of the variables that shardfs reads.
struct CleanEnvironment {
  ScopedVariable mtp{"DEEPSEEK_MTP", std::nullopt};
  ScopedVariable rank_table{"RANK_TABLE_FILE", std::nullopt};
  ScopedVariable partition_up{"DP_PARTITION_UP_ENABLE", std::nullopt};
};

}  // namespace shardfs
