// What a shell cannot see of pages.
//
//   page_tool compare A B      maps A (MAP_SHARED) and compares it with what read(2) says of B, the last page first
//   page_tool direct A B       the same, but A is read past the page cache (O_DIRECT)
//   page_tool cached FILE...   prints how many pages of the files are in the page cache, and how many there are
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void Die(const char* what) {
  perror(what);
  exit(2);
}

static char* Map(const char* path, size_t* size) {
  struct stat info;
  const int file = open(path, O_RDONLY);
  if (file < 0 || fstat(file, &info) != 0) Die(path);
  *size = (size_t)info.st_size;
  if (*size == 0) {
    close(file);
    return NULL;
  }
  char* const mapping = mmap(NULL, *size, PROT_READ, MAP_SHARED, file, 0);
  if (mapping == MAP_FAILED) Die(path);
  close(file);
  return mapping;
}

static char* Read(const char* path, int flags, size_t* size) {
  enum { kStep = 1 << 16 };
  char* bytes = NULL;
  size_t room = 0;
  const int file = open(path, O_RDONLY | flags);
  if (file < 0) Die(path);
  for (*size = 0;;) {
    if (room - *size < kStep) {  // at a boundary of pages, as O_DIRECT wants it
      char* grown = NULL;
      room = 2 * room + kStep;
      if (posix_memalign((void**)&grown, kStep, room) != 0) Die(path);
      if (bytes != NULL) memcpy(grown, bytes, *size);
      free(bytes);
      bytes = grown;
    }
    const ssize_t count = read(file, bytes + *size, kStep);
    if (count < 0) Die(path);
    if (count == 0) break;
    *size += (size_t)count;
    if (count % 512 != 0) break;  // the end: O_DIRECT does not go on from there
  }
  close(file);
  return bytes;
}

static int Compare(const char* seen, const char* other, int direct) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = 0, wanted_size = 0;
  const char* const bytes = direct ? Read(seen, O_DIRECT, &size) : Map(seen, &size);
  const char* const wanted = Read(other, 0, &wanted_size);
  if (size != wanted_size) {
    printf("%s has %zu bytes, and %s has %zu\n", seen, size, other, wanted_size);
    return 1;
  }
  for (size_t begin = (size + page - 1) / page * page; begin > 0; begin -= page) {
    const size_t at = begin - page, length = size - at < page ? size - at : page;
    if (memcmp(bytes + at, wanted + at, length) != 0) {
      printf("%s differs from %s in the page at %zu\n", seen, other, at);
      return 1;
    }
  }
  return 0;
}

static int Cached(char** files) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t cached = 0, all = 0;
  for (; *files != NULL; ++files) {
    size_t size = 0;
    char* const mapping = Map(*files, &size);
    if (mapping == NULL) continue;
    const size_t pages = (size + page - 1) / page;
    unsigned char* const flags = malloc(pages);
    if (flags == NULL || mincore(mapping, size, flags) != 0) Die(*files);
    for (size_t i = 0; i < pages; ++i) cached += flags[i] & 1;
    all += pages;
    free(flags);
    munmap(mapping, size);
  }
  printf("%zu %zu\n", cached, all);
  return 0;
}

int main(int count, char** arguments) {
  if (count == 4 && strcmp(arguments[1], "compare") == 0) return Compare(arguments[2], arguments[3], 0);
  if (count == 4 && strcmp(arguments[1], "direct") == 0) return Compare(arguments[2], arguments[3], 1);
  if (count > 2 && strcmp(arguments[1], "cached") == 0) return Cached(arguments + 2);
  fputs("usage: page_tool compare A B | direct A B | cached FILE...\n", stderr);
  return 2;
}
