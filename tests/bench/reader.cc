#include "bench/reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <sstream>

#include "bench/process.h"

namespace shardfs::bench {
namespace {

const char* ModeName(ReadMode mode) {
  switch (mode) {
    case ReadMode::kBuffered:
      return "buffered";
    case ReadMode::kMapped:
      return "mapped";
    case ReadMode::kDirect:
      return "direct";
    case ReadMode::kHeaders:
      return "headers";
  }
  return "";
}

// The list as a file that the child sees under /proc/self/fd.
Result<FileDescriptor> ListFile(const std::vector<std::string>& paths) {
  FileDescriptor file(::memfd_create("list", 0));
  if (!file.valid()) return Status::FromErrno(errno, "memfd_create");
  for (const std::string& path : paths) {
    const std::string line = path + '\n';
    if (::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      return Status::FromErrno(errno, "cannot write the list of files");
    }
  }
  return file;
}

}  // namespace

Result<ReadResult> ReadFiles(const std::string& reader_program, ReadMode mode,
                             const std::vector<std::vector<std::string>>& lists) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Status::FromErrno(errno, "pipe");
  const FileDescriptor gate(ends[0]);
  FileDescriptor closed(ends[1]);  // all begin when this end goes
  std::vector<FileDescriptor> list_files;
  std::vector<Process> processes;
  for (const auto& list : lists) {
    SHARDFS_ASSIGN_OR_RETURN(FileDescriptor file, ListFile(list));
    SHARDFS_ASSIGN_OR_RETURN(
        Process process, Process::Start({reader_program, ModeName(mode), fmt::format("/proc/self/fd/{}", file.get())},
                                        {.cgroup_procs = "", .standard_input = gate.get()}));
    list_files.push_back(std::move(file));
    processes.push_back(std::move(process));
  }
  ::usleep(20'000 + 2'000 * static_cast<useconds_t>(lists.size()));  // until all wait at the gate
  closed = FileDescriptor();

  ReadResult result;
  double begin = std::numeric_limits<double>::max(), end = 0;
  for (Process& process : processes) {
    SHARDFS_ASSIGN_OR_RETURN(const ProcessResult ended, process.Wait());
    std::uint64_t bytes = 0;
    double first = 0, last = 0;
    if (!(std::istringstream(ended.out) >> bytes >> first >> last)) {
      return Status::IoError("bench_reader printed \"" + ended.out + "\" instead of bytes, begin and end");
    }
    result.bytes += bytes;
    begin = std::min(begin, first);
    end = std::max(end, last);
  }
  result.seconds = end - begin;
  return result;
}

}  // namespace shardfs::bench
