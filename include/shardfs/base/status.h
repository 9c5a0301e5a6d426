// Status: the outcome of an operation that may fail; the only way errors cross a layer (no exceptions do).
//
// A Status is a code and one sentence for a person. The sentence says what was wrong, names both sides that
// disagree, and, where somebody can do something about it, what to do.
//
// Thread-safety: immutable after construction; may be copied and read from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

namespace shardfs {

enum class StatusCode : std::uint8_t {
  kOk,
  kInvalidArgument,    // the command line, the configuration or a caller's argument is wrong
  kNotFound,           // a name that was asked for does not exist
  kCorruption,         // bytes break the rules of their format, or a checkpoint is incomplete
  kDifferent,          // what was written is not what is read back
  kIoError,            // the operating system failed a system call
  kSourceChanged,      // a source file is no longer the one that was opened
  kNotSupported,       // well-formed, and not something that this version handles
  kResourceExhausted,  // memory, space, descriptors
  kCancelled,          // somebody asked to stop
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK

  static Status Ok() { return {}; }
  static Status InvalidArgument(std::string message) { return {StatusCode::kInvalidArgument, std::move(message)}; }
  static Status NotFound(std::string message) { return {StatusCode::kNotFound, std::move(message)}; }
  static Status Corruption(std::string message) { return {StatusCode::kCorruption, std::move(message)}; }
  static Status Different(std::string message) { return {StatusCode::kDifferent, std::move(message)}; }
  static Status IoError(std::string message) { return {StatusCode::kIoError, std::move(message)}; }
  static Status SourceChanged(std::string message) { return {StatusCode::kSourceChanged, std::move(message)}; }
  static Status NotSupported(std::string message) { return {StatusCode::kNotSupported, std::move(message)}; }
  static Status ResourceExhausted(std::string message) { return {StatusCode::kResourceExhausted, std::move(message)}; }
  static Status Cancelled(std::string message) { return {StatusCode::kCancelled, std::move(message)}; }

  // An error of the operating system: "<what>: <strerror(error_number)>". ENOMEM, EMFILE, ENFILE, ENOSPC and EDQUOT
  // become kResourceExhausted, ENOENT and ENOTDIR kNotFound, all others kIoError.
  static Status FromErrno(int error_number, std::string_view what);

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ == nullptr ? StatusCode::kOk : rep_->code; }
  std::string_view message() const { return rep_ == nullptr ? std::string_view{} : rep_->message; }

  // The same code with "<context>: " before the message. OK stays OK.
  Status WithContext(std::string_view context) const;

  std::string ToString() const;  // "corruption: <message>", "ok"

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  Status(StatusCode code, std::string message) : rep_(std::make_shared<const Rep>(Rep{code, std::move(message)})) {}

  std::shared_ptr<const Rep> rep_;  // null = OK, so that the success path neither allocates nor copies
};

std::string_view StatusCodeName(StatusCode code);

// The one table from codes to errno values, for the file system's replies.
int ToErrno(StatusCode code);

// The one table from codes to exit codes of the program (DESIGN: 0 done, 1 failed while running, 2 refused: command
// line or configuration, 3 refused: the source is damaged, incomplete or unsupported, 4 a difference was found).
int ToExitCode(StatusCode code);

inline std::ostream& operator<<(std::ostream& out, const Status& status) { return out << status.ToString(); }

}  // namespace shardfs

// Returns from the enclosing function when `expression` (a Status) is not OK.
#define SHARDFS_RETURN_IF_ERROR(expression)           \
  do {                                                \
    ::shardfs::Status shardfs_status_ = (expression); \
    if (!shardfs_status_.ok()) [[unlikely]]           \
      return shardfs_status_;                         \
  } while (false)
