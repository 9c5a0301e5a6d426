// GuardedCopy: memcpy from a mapped source that survives the source's truncation.
//
// Touching a mapped page that its file no longer has raises SIGBUS, which would end the process. Between two points of
// one thread the guard turns that signal into an error of the copy. A SIGBUS from anywhere else keeps its usual effect.
// Thread-safety: any number of threads at once; the handler is installed once per process, on first use.
#pragma once

#include <cstddef>
#include <type_traits>

#include "shardfs/base/status.h"

namespace shardfs {

namespace internal {
// Runs body(context); false when it was cut short by SIGBUS. `body` must own nothing that a non-local exit would leak.
bool RunGuarded(void (*body)(void*), void* context);
}  // namespace internal

// Runs `body` (callable without arguments, with trivially destructible locals only) under the guard: false when a
// mapped page could not be read.
template <typename Body>
bool WithFaultGuard(Body&& body) {
  return internal::RunGuarded([](void* context) { (*static_cast<std::remove_reference_t<Body>*>(context))(); }, &body);
}

}  // namespace shardfs
