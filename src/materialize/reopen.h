// Going on in a destination that was complete and has lost files since.
#pragma once

#include <string>

#include "materialize/journal.h"
#include "shardfs/base/result.h"
#include "shardfs/materialize/manifest.h"

namespace shardfs {

// What a journal would say of a complete run that left `manifest`. `boot` is empty: nobody knows what else was done to
// the directory, so what is left of it is believed by its digests only.
JournalContents ContentsOf(Manifest manifest);

// Makes the destination, whose lock the caller has for itself, unfinished: gives it a journal of all that is in
// `contents`, and takes its marker away.
Result<Journal> Reopen(int root, const std::string& directory, const JournalContents& contents);

}  // namespace shardfs
