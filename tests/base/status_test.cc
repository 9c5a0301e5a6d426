#include "shardfs/base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace shardfs {
namespace {

TEST(StatusTest, OkHasNoMessage) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status::Ok().ToString(), "ok");
  EXPECT_TRUE(Status().WithContext("anything").ok());
}

TEST(StatusTest, ContextGoesBeforeTheMessage) {
  const Status status = Status::Corruption("2 is not 3").WithContext("'file'");
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_EQ(status.message(), "'file': 2 is not 3");
  EXPECT_EQ(status.ToString(), "corruption: 'file': 2 is not 3");
}

TEST(StatusTest, ErrnoBecomesACode) {
  EXPECT_EQ(Status::FromErrno(EMFILE, "open").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Status::FromErrno(ENOSPC, "write").code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Status::FromErrno(ENOENT, "open").code(), StatusCode::kNotFound);
  EXPECT_EQ(Status::FromErrno(EIO, "read").code(), StatusCode::kIoError);
  EXPECT_EQ(Status::FromErrno(ESTALE, "read").code(), StatusCode::kIoError);
  EXPECT_EQ(Status::FromErrno(EIO, "read").message().substr(0, 6), "read: ");
}

TEST(StatusTest, EveryCodeHasAnErrnoAndAnExitCode) {
  EXPECT_EQ(ToErrno(StatusCode::kOk), 0);
  EXPECT_EQ(ToExitCode(StatusCode::kOk), 0);
  EXPECT_EQ(ToExitCode(StatusCode::kInvalidArgument), 2);
  EXPECT_EQ(ToExitCode(StatusCode::kCorruption), 3);
  EXPECT_EQ(ToExitCode(StatusCode::kNotSupported), 3);
  EXPECT_EQ(ToExitCode(StatusCode::kDifferent), 4);
  EXPECT_EQ(ToErrno(StatusCode::kNotFound), ENOENT);
  for (const StatusCode code : {StatusCode::kCorruption, StatusCode::kIoError, StatusCode::kSourceChanged}) {
    EXPECT_EQ(ToErrno(code), EIO) << StatusCodeName(code);
  }
}

}  // namespace
}  // namespace shardfs
