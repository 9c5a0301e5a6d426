// Loops and sorting on all processors, by oneTBB. Debian's is not built for ThreadSanitizer, which so does not see that
// a loop's bodies come after what is before the loop, and before what is after it: it is told here. A race that is
// passed over (tests/sanitizers/tsan.supp) costs as much time as one that is reported, and a large checkpoint made a
// million of them.
//
// Whoever includes this links TBB::tbb.
#pragma once

#include <tbb/parallel_for.h>
#include <tbb/parallel_sort.h>

#include <algorithm>
#include <utility>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace shardfs {

// body(0) ... body(count - 1), in any order and at once; returns when all have.
template <typename Index, typename Body>
void ParallelFor(Index count, const Body& body) {
#ifdef __SANITIZE_THREAD__
  char begin = 0;
  char end = 0;
  __tsan_release(&begin);
  tbb::parallel_for(Index{0}, count, [&](Index i) {
    __tsan_acquire(&begin);
    body(i);
    __tsan_release(&end);
  });
  __tsan_acquire(&end);
#else
  tbb::parallel_for(Index{0}, count, body);
#endif
}

template <typename Iterator, typename Less>
void ParallelSort(Iterator begin, Iterator end, Less less) {
#ifdef __SANITIZE_THREAD__
  std::sort(begin, end, std::move(less));  // oneTBB hands the elements from thread to thread where nobody can say so
#else
  tbb::parallel_sort(begin, end, std::move(less));
#endif
}

}  // namespace shardfs
