// What the program says to people: one line a message, on stderr. Results go to stdout, and not through here.
#pragma once

#include <string>
#include <string_view>

#include "shardfs/base/status.h"

namespace shardfs {

// Opens what is closed of the standard streams on /dev/null. Before anything else is opened: it would get their
// numbers, and messages would then be written into it.
void KeepStandardStreamsOpen();

// As a message is shown, whatever names of files, tensors or settings it quotes: a line break becomes a space, other
// control characters \xNN.
std::string OneLine(std::string_view text);

// The same for a result of many lines, whose line breaks and tabs stay.
std::string ForTerminal(std::string_view text);

// "shardfs: <message>"
void PrintError(std::string_view message);

// "shardfs: warning: <message>"
void PrintWarning(std::string_view message);

// "shardfs: <message>", of something that is as it should be and yet good to know.
void PrintNote(std::string_view message);

// Ends what a command printed to standard output. Returns `exit_code`, or says that not all of it (`what`) could be
// written and returns the exit code of that.
int FinishOutput(std::string_view what, int exit_code);

// Prints the error and returns its exit code; 0 for an OK status, without printing.
int ExitCodeOf(const Status& status);

}  // namespace shardfs
