#include "service/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace shardfs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Format(const std::string& json) { return FormatStatus("/mnt/r1", ParseJson(json, "test").value()); }

TEST(StatusTextTest, SaysWhatThereIsToSay) {
  const std::string text = Format(R"({
    "health": "degraded", "version": "1.2", "pid": 77, "mounted_at": "2026-11-01T00:00:00Z", "uptime_seconds": 183845.5,
    "source": "/models/r1", "summary": "a layout", "options": {"mtp": "true", "uid": "0"},
    "reads": {"total": 12, "bytes": 1234567, "in_progress": 1, "by_kind": {
      "generated": {"reads": 0, "bytes": 0}, "tensors": {"reads": 12, "bytes": 1234567}}},
    "errors": {"total": 3, "by_cause": {"source_changed": 0, "io_error": 2, "out_of_memory": 1},
      "last": {"at": "2026-11-02T00:00:00Z", "message": "cannot read"}},
    "read_latency_seconds": {"p50": 0.0000123, "p99": 0.00456, "max": 1.2},
    "open_files": 5, "read_ahead_kib": 4096, "sources": {"files": 9, "rows_by": "mapping", "changed": [], "unreachable": []}})");
  EXPECT_THAT(text, StartsWith("/mnt/r1: degraded: reads have failed"));
  EXPECT_THAT(text, HasSubstr("\n  source       /models/r1\n"));
  EXPECT_THAT(text, HasSubstr("\n  options      mtp true, uid 0\n"));
  EXPECT_THAT(text, HasSubstr("\n  mounted      2 d 3 h ago, at 2026-11-01T00:00:00Z, by shardfs 1.2, process 77\n"));
  EXPECT_THAT(text, HasSubstr("\n  served       1.23 MB in 12 reads: tensors 1.23 MB in 12 reads\n"));
  EXPECT_THAT(text, HasSubstr("\n  errors       2 io error, 1 out of memory\n"));
  EXPECT_THAT(text, HasSubstr("\n  last error   2026-11-02T00:00:00Z cannot read\n"));
  EXPECT_THAT(text, HasSubstr("\n  latency      p50 12.3 us, p99 4.56 ms, max 1.2 s of a read\n"));
  EXPECT_THAT(text, HasSubstr("\n  read-ahead   4096 KiB\n"));
  EXPECT_THAT(text, HasSubstr("\n  rows by      mapping\n"));
  EXPECT_THAT(text, HasSubstr("\n  open files   5; 1 read in progress\n"));
}

TEST(StatusTextTest, NamesChangedFilesButNotThousands) {
  std::string files;
  for (int i = 0; i < 25; ++i) {
    files +=
        (i == 0 ? "" : ", ") + std::string(R"({"file": "f", "message": "source file )") + std::to_string(i) + "\"}";
  }
  const std::string text = Format(R"({"health": "source_changed", "sources": {"changed": [)" + files +
                                  R"(], "silent": [{"file": "s", "message": "s is away"}]}})");
  EXPECT_THAT(text, AllOf(StartsWith("/mnt/r1: SOURCE CHANGED"), HasSubstr("  changed      source file 9\n"),
                          Not(HasSubstr("source file 10\n")), HasSubstr("and 15 more files (see --json)"),
                          HasSubstr("  silent       s is away\n")));
}

TEST(StatusTextTest, WhatIsMissingIsLeftOut) {
  const std::string text = Format(R"({"health": "healthy", "read_ahead_kib": null})");
  EXPECT_THAT(text, AllOf(StartsWith("/mnt/r1: healthy\n"), HasSubstr("read-ahead   unknown"),
                          Not(HasSubstr("last error")), Not(HasSubstr("latency")), Not(HasSubstr("rows by"))));
}

}  // namespace
}  // namespace shardfs
