// Whether the tests are instrumented by a sanitizer that makes them several times as slow.
#pragma once

namespace shardfs {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace shardfs
