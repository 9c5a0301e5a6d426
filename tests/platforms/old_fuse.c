// old_fuse.so, preloaded: a program that serves FUSE sees the kernel's INIT as Linux 4.19 sends it, protocol 7.27: no
// max_pages (requests of 128 KiB at most), no cached symlinks, no opendir that may be left out, no explicit
// invalidation. What the kernel's header calls flags from bit 22 on is unknown there. The environment's OLD_FUSE_LOG
// names a file that is told of each INIT that was changed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <unistd.h>

struct init_request {
  uint32_t length, opcode;
  uint64_t unique, node;
  uint32_t user, group, process, padding;
  uint32_t major, minor, max_readahead, flags;
};

enum { kInit = 26, kOldMinor = 27 };
static const uint32_t kOldFlags = (1u << 22) - 1;

static int is_fuse(int file) {
  struct stat about;
  return fstat(file, &about) == 0 && S_ISCHR(about.st_mode) && about.st_rdev == makedev(10, 229);
}

static void make_old(void* bytes) {
  struct init_request request;
  memcpy(&request, bytes, sizeof request);
  if (request.opcode != kInit || request.major != 7) return;
  const char* log = getenv("OLD_FUSE_LOG");
  FILE* file = log != NULL ? fopen(log, "a") : NULL;
  if (file != NULL) {
    fprintf(file, "INIT 7.%u with flags %#x\n", request.minor, request.flags);
    fclose(file);
  }
  if (request.minor > kOldMinor) request.minor = kOldMinor;
  request.flags &= kOldFlags;
  memcpy(bytes, &request, sizeof request);
}

static ssize_t finish(int file, void* bytes, ssize_t count) {
  if (count >= (ssize_t)sizeof(struct init_request) && is_fuse(file)) make_old(bytes);
  return count;
}

ssize_t read(int file, void* bytes, size_t size) {
  static ssize_t (*next)(int, void*, size_t);
  if (next == NULL) next = (ssize_t(*)(int, void*, size_t))dlsym(RTLD_NEXT, "read");
  return finish(file, bytes, next(file, bytes, size));
}

ssize_t __read_chk(int file, void* bytes, size_t size, size_t room) {
  if (size > room) abort();
  return read(file, bytes, size);
}
