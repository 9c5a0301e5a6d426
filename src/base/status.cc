#include "shardfs/base/status.h"

#include <cerrno>
#include <system_error>

namespace shardfs {

Status Status::FromErrno(int error_number, std::string_view what) {
  std::string message(what);
  message += ": ";
  message += std::generic_category().message(error_number);
  switch (error_number) {
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOSPC:
    case EDQUOT:
      return ResourceExhausted(std::move(message));
    case ENOENT:
    case ENOTDIR:
      return NotFound(std::move(message));
    default:
      return IoError(std::move(message));
  }
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  std::string message(context);
  message += ": ";
  message += rep_->message;
  return {rep_->code, std::move(message)};
}

std::string Status::ToString() const {
  if (ok()) return "ok";
  std::string text(StatusCodeName(rep_->code));
  text += ": ";
  text += rep_->message;
  return text;
}

namespace {

struct CodeRow {
  std::string_view name;
  int error_number;  // what a file system's reply says
  int exit_code;     // what the program's end says
};

constexpr CodeRow RowOf(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return {"ok", 0, 0};
    case StatusCode::kInvalidArgument:
      return {"invalid argument", EINVAL, 2};
    case StatusCode::kNotFound:
      return {"not found", ENOENT, 2};
    case StatusCode::kCorruption:
      return {"corruption", EIO, 3};
    case StatusCode::kDifferent:
      return {"different", EIO, 4};
    case StatusCode::kIoError:
      return {"I/O error", EIO, 1};
    case StatusCode::kSourceChanged:
      return {"source changed", EIO, 1};
    case StatusCode::kNotSupported:
      return {"not supported", EOPNOTSUPP, 3};
    case StatusCode::kResourceExhausted:
      return {"resource exhausted", ENOMEM, 1};
    case StatusCode::kCancelled:
      return {"cancelled", EINTR, 1};
  }
  return {"unknown", EIO, 1};
}

}  // namespace

std::string_view StatusCodeName(StatusCode code) { return RowOf(code).name; }
int ToErrno(StatusCode code) { return RowOf(code).error_number; }
int ToExitCode(StatusCode code) { return RowOf(code).exit_code; }

}  // namespace shardfs
