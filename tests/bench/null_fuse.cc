// null_fuse [--copy] DIRECTORY MOUNTPOINT: shows the names and sizes of DIRECTORY (two levels), answers every read from
// the same buffer, and stays in the background until it is unmounted. What it reaches is what FUSE costs with a daemon
// that has nothing to do: the flags and the loop are those of shardfs mount. With --copy it answers with the bytes of
// DIRECTORY's files, each by one pread into a buffer that stays in the cache: the least that a daemon can do that has
// something to say.
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;

constexpr double kCacheSeconds = 86400;
// As in the session of shardfs.
constexpr unsigned kReadAheadKib = 4096;
constexpr unsigned kMaxReadBytes = 256 * 1024;

struct Node {
  std::string name;
  std::uint64_t size = 0;
  bool is_directory = false;
  int fd = -1;  // with --copy, of a file; open as long as the process
  std::vector<fuse_ino_t> children;
};

// The inode is the place in `nodes` plus 1; the root comes first.
struct Tree {
  std::vector<Node> nodes;
  unsigned threads = std::max(32u, 2 * std::thread::hardware_concurrency());
};

void AddBelow(Tree& tree, std::size_t parent, const fs::path& directory, bool copy) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    const bool is_directory = fs::is_directory(path);
    const int fd = copy && !is_directory ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1;
    tree.nodes.push_back({path.filename(), is_directory ? 0 : fs::file_size(path), is_directory, fd, {}});
    tree.nodes[parent].children.push_back(tree.nodes.size());
    if (is_directory) AddBelow(tree, tree.nodes.size() - 1, path, copy);
  }
}

const Tree& TreeOf(fuse_req_t request) { return *static_cast<const Tree*>(fuse_req_userdata(request)); }
const Node& NodeOf(fuse_req_t request, fuse_ino_t inode) { return TreeOf(request).nodes.at(inode - 1); }

struct stat AttributesOf(const Node& node, fuse_ino_t inode) {
  struct stat info {};
  info.st_ino = inode;
  info.st_mode = node.is_directory ? S_IFDIR | 0750 : S_IFREG | 0440;
  info.st_nlink = 1;
  info.st_size = static_cast<off_t>(node.size);
  info.st_blocks = static_cast<blkcnt_t>((node.size + 511) / 512);
  return info;
}

fuse_entry_param EntryOf(fuse_req_t request, fuse_ino_t inode) {
  fuse_entry_param entry{};
  entry.ino = inode;
  entry.attr = AttributesOf(NodeOf(request, inode), inode);
  entry.attr_timeout = entry.entry_timeout = kCacheSeconds;
  return entry;
}

void Init(void* user_data, fuse_conn_info* connection) {
  connection->want |= (FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS) & connection->capable;
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA);
  connection->max_background = 2 * static_cast<const Tree*>(user_data)->threads;
  connection->congestion_threshold = connection->max_background * 3 / 4;
  connection->max_read = kMaxReadBytes;
}

void Lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  fuse_entry_param entry{};
  entry.entry_timeout = kCacheSeconds;
  for (const fuse_ino_t child : NodeOf(request, parent).children) {
    if (NodeOf(request, child).name == name) entry = EntryOf(request, child);
  }
  fuse_reply_entry(request, &entry);
}

void Forget(fuse_req_t request, fuse_ino_t, std::uint64_t) { fuse_reply_none(request); }
void ForgetMulti(fuse_req_t request, std::size_t, fuse_forget_data*) { fuse_reply_none(request); }

void GetAttributes(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  const struct stat attributes = AttributesOf(NodeOf(request, inode), inode);
  fuse_reply_attr(request, &attributes, kCacheSeconds);
}

void Open(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  info->keep_cache = 1;
  fuse_reply_open(request, info);
}

void Release(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, 0); }

// In a huge page, as shardfs does it. Belongs to its thread, for good.
char* BufferOfThread() {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  thread_local char* const buffer = [] {
    void* const bytes = std::aligned_alloc(kHugePage, kHugePage);
    if (bytes != nullptr) ::madvise(bytes, kHugePage, MADV_HUGEPAGE);
    return static_cast<char*>(bytes);
  }();
  return buffer;
}

void Read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  // Of the process and not of the thread: it is never written, and all threads' caches may share it.
  static const std::vector<char> hot(kMaxReadBytes, 1);
  const Node& node = NodeOf(request, inode);
  const std::uint64_t left = node.size - std::min(node.size, static_cast<std::uint64_t>(offset));
  const auto length = std::min<std::uint64_t>({size, left, hot.size()});
  if (node.fd < 0) {
    fuse_reply_buf(request, hot.data(), length);
    return;
  }
  char* const buffer = BufferOfThread();
  if (buffer == nullptr || ::pread(node.fd, buffer, length, offset) != static_cast<ssize_t>(length)) {
    fuse_reply_err(request, EIO);
    return;
  }
  fuse_reply_buf(request, buffer, length);
}

void OpenDirectory(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  info->cache_readdir = info->keep_cache = 1;
  fuse_reply_open(request, info);
}

void ReadDirectoryPlus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  std::vector<char> buffer(size);
  std::size_t used = 0;
  const std::vector<fuse_ino_t>& children = NodeOf(request, inode).children;
  for (auto i = static_cast<std::size_t>(offset); i < children.size(); ++i) {
    const fuse_entry_param entry = EntryOf(request, children[i]);
    const std::size_t taken =
        fuse_add_direntry_plus(request, buffer.data() + used, size - used, NodeOf(request, children[i]).name.c_str(),
                               &entry, static_cast<off_t>(i + 1));
    if (taken > size - used) break;
    used += taken;
  }
  fuse_reply_buf(request, buffer.data(), used);
}

const fuse_lowlevel_ops& Operations() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops ops{};
    ops.init = Init;
    ops.lookup = Lookup;
    ops.forget = Forget;
    ops.forget_multi = ForgetMulti;
    ops.getattr = GetAttributes;
    ops.open = Open;
    ops.release = Release;
    ops.read = Read;
    ops.opendir = OpenDirectory;
    ops.readdirplus = ReadDirectoryPlus;
    return ops;
  }();
  return operations;
}

// As shardfs does; the first answer comes after INIT, which sets the window back.
int RaiseReadAhead(const char* mount_point) {
  struct stat info {};
  if (::stat(mount_point, &info) != 0) return 1;
  std::ofstream file("/sys/class/bdi/" + std::to_string(major(info.st_dev)) + ":" + std::to_string(minor(info.st_dev)) +
                     "/read_ahead_kb");
  file << kReadAheadKib;
  return 0;
}

int Serve(fuse_session* session, unsigned threads) {
  fuse_loop_config* config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 0);
  fuse_loop_cfg_set_max_threads(config, threads);
  const int result = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return result == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool copy = argc > 1 && std::strcmp(argv[1], "--copy") == 0;
  if (argc != (copy ? 4 : 3)) {
    std::fprintf(stderr, "null_fuse: give a directory and a mount point\n");
    return 2;
  }
  const char* const directory = argv[argc - 2];
  const char* const mount_point = argv[argc - 1];
  Tree tree;
  tree.nodes.push_back({"", 0, true, -1, {}});
  AddBelow(tree, 0, directory, copy);
  const std::string mount_options =
      "ro,nosuid,nodev,noexec,noatime,default_permissions,fsname=null_fuse,max_read=" + std::to_string(kMaxReadBytes);
  const char* options[] = {"null_fuse", "-o", mount_options.c_str()};
  fuse_args arguments = FUSE_ARGS_INIT(3, const_cast<char**>(options));
  fuse_session* const session = fuse_session_new(&arguments, &Operations(), sizeof(fuse_lowlevel_ops), &tree);
  if (session == nullptr || fuse_session_mount(session, mount_point) != 0) return 1;
  const pid_t daemon = ::fork();
  if (daemon < 0) return 1;
  if (daemon > 0) return RaiseReadAhead(mount_point);
  ::setsid();
  return Serve(session, tree.threads);
}
