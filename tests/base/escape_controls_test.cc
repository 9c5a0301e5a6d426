#include "base/escape_controls.h"

#include <gtest/gtest.h>

namespace shardfs {
namespace {

TEST(EscapeControlsTest, LeavesText) {
  EXPECT_EQ(EscapeControls(""), "");
  EXPECT_EQ(EscapeControls("model.norm.weight"), "model.norm.weight");
  EXPECT_EQ(EscapeControls("\u00a0\u00e9 \u4e2d\u6587 \U0001f600 \u2514\u2500\u2500"),
            "\u00a0\u00e9 \u4e2d\u6587 \U0001f600 \u2514\u2500\u2500");
}

TEST(EscapeControlsTest, EscapesWhatATerminalActsUpon) {
  EXPECT_EQ(EscapeControls("\x1b[31mred\a\b\r\n\t\x7f"), "\\x1b[31mred\\x07\\x08\\x0d\\x0a\\x09\\x7f");
  EXPECT_EQ(EscapeControls(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(EscapeControls("\u0080\u009b31m\u009f"), "\\xc2\\x80\\xc2\\x9b31m\\xc2\\x9f");
}

TEST(EscapeControlsTest, EscapesBytesThatAreNoText) {
  EXPECT_EQ(EscapeControls("\x9b"
                           "31m"),
            "\\x9b31m")
      << "a control character of an 8-bit terminal";
  EXPECT_EQ(EscapeControls("\xc3"), "\\xc3");
  EXPECT_EQ(EscapeControls("\xc3("), "\\xc3(");
  EXPECT_EQ(EscapeControls("\xc0\x9b"), "\\xc0\\x9b") << "ESC in a form that is too long";
  EXPECT_EQ(EscapeControls("\xe0\x80\x9b"), "\\xe0\\x80\\x9b");
  EXPECT_EQ(EscapeControls("\xf0\x80\x80\x9b"), "\\xf0\\x80\\x80\\x9b");
}

TEST(EscapeControlsTest, KeepsWhatIsAskedFor) { EXPECT_EQ(EscapeControls("a\n\tb\r", "\n\t"), "a\n\tb\\x0d"); }

}  // namespace
}  // namespace shardfs
