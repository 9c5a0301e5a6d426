// WithFaultGuard: access to a mapped source that survives the source's truncation.
//
// Touching a mapped page that its file no longer has raises SIGBUS, which would end the process. Between two points of
// one thread the guard turns that signal into an error of the access. A SIGBUS from anywhere else keeps its usual
// effect. Guards nest: a fault ends the innermost.
// Thread-safety: any number of threads at once; the handler is installed once per process, on first use, and must not
// be replaced afterwards.
#pragma once

#include <memory>
#include <type_traits>

namespace shardfs {

namespace internal {
// Runs body(context); false when it was cut short by SIGBUS. `body` must own nothing that a non-local exit would leak.
bool RunGuarded(void (*body)(void*), void* context);
}  // namespace internal

// Runs `body` (callable without arguments) under the guard: false when a mapped page could not be read. The body is
// left in its middle then, as by longjmp: it may have locals with trivial destructors only, take no lock and allocate
// nothing. What it has written so far stays written; treat it as garbage.
template <typename Body>
[[nodiscard]] bool WithFaultGuard(Body&& body) {
  using Callable = std::remove_reference_t<Body>;
  return internal::RunGuarded([](void* context) { (*static_cast<Callable*>(context))(); },
                              const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

}  // namespace shardfs
