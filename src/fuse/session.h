// FuseSession: a view mounted on a directory and served until somebody unmounts it or stops the session.
//
// Life cycle: Create (nothing mounted yet) -> Mount -> Run (blocks) -> destructor. Whatever way it ends, the destructor
// leaves nothing mounted, unless the process has dropped the privileges that it mounted with: it may not unmount then,
// and who is left to do so finds a mount that is dead. Mounted always:
// ro,nosuid,nodev,noexec,noatime,default_permissions. The last makes the kernel check modes and owners itself, without
// which allow_other would let one user's check count for another. Thread-safety: Stop and counters from any thread;
// everything else from one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fuse/attributes.h"
#include "fuse/counters.h"
#include "fuse/mount_description.h"
#include "shardfs/base/result.h"
#include "shardfs/view/virtual_tree.h"
#include "source/source_watch.h"

namespace shardfs {

struct FuseOptions {
  std::string source_name;       // shown as the mount's source
  MountDescription description;  // shown by `shardfs status`, in .shardfs and as extended attributes
  std::function<std::string(const std::string&)> source_path;  // of a source file, by its name; empty: the name
  AttributeOptions attributes;
  bool allow_other = false;   // other users than the mounting one may look in
  std::vector<std::string> kernel_options;  // further options for the kernel: context="system_u:object_r:nfs_t:s0:c1,c2"
  // A /dev/fuse whose mount another process has made; the session serves it, closes it, and never unmounts. -1: the
  // session mounts.
  int device = -1;
  unsigned max_threads = 32;  // at least 1; reads that wait for sources at a time (read_scheduler.h)
  // Called once, from a thread that serves nothing, when the kernel has opened the connection and all that needs the
  // privileges of the start is done: they may be dropped in it.
  std::function<void()> on_ready;
  // The watch looks at the files that the view takes bytes from. Where it is null, the session finds these files and makes
  // a watch of its own, which reports nothing.
  std::shared_ptr<SourceWatch> watch;
  std::function<void()> on_open;  // called for every file that is opened, from serving threads; never waits or throws
  // Called by Run when the view is no longer mounted and threads of it still wait for a source that hangs, seconds
  // later. Only the end of the process, by _exit, ends these; without it, or if it returns, Run waits for the source.
  std::function<void()> on_stuck;
};

class FuseSession {
 public:
  static Result<std::unique_ptr<FuseSession>> Create(std::shared_ptr<const VirtualTree> tree,
                                                     const FuseOptions& options);
  ~FuseSession();
  FuseSession(const FuseSession&) = delete;
  FuseSession& operator=(const FuseSession&) = delete;

  // `mount_point` must be absolute and canonical. kIoError with what the operating system or fusermount3 said, and
  // with the package to install where there is no fusermount3 and this is not root. With FuseOptions::device, where
  // another process has mounted: its canonical path or, where this process does not see it, any name for messages.
  Status Mount(const std::string& mount_point);

  // Serves requests. OK when the view was unmounted or Stop was called.
  Status Run();

  // Makes Run return, before or while it runs. False when requests in progress kept it from returning in time.
  bool Stop(std::chrono::milliseconds timeout);

  // Lets go of the kernel's connection: all requests fail, in progress or not. For a process that is about to end while
  // a thread of it waits for a source, which may keep the process, and so the connection, in the kernel for as long.
  void CutConnection();

  // Whether this process is still the user that mounted. Never of a mount that another process has made.
  bool MayUnmount() const;

  // Whether the view is mounted still. Of a mount that another process has made: whether its connection lives.
  bool StillMounted() const;

  const FuseCounters& counters() const;

  // What the mount says of itself at this moment, once it is mounted. From any thread; waits as a read of .shardfs does,
  // for a look at the sources, but not for sources that do not answer.
  struct Metrics {
    std::string health;         // the word of its state: "healthy"
    std::string text;           // what .shardfs/metrics holds
    std::string textfile_text;  // the same without what node_exporter has of every process itself
  };
  Metrics TakeMetrics() const;

 private:
  struct State;
  explicit FuseSession(std::unique_ptr<State> state);
  Status Attach(const std::string& mount_point);
  Status Hold(int device);
  void RaiseReadAhead() const;

  std::unique_ptr<State> state_;
};

}  // namespace shardfs
