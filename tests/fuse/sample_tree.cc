#include "fuse/sample_tree.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace shardfs {
namespace {

class FaultyFile final : public VirtualFile {
 public:
  FileKind kind() const override { return FileKind::kPassthrough; }
  std::uint64_t size() const override { return kFaultySize; }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> destination) const override {
    if (offset + destination.size() > kFaultyFrom) {
      return Status::IoError("model-00001.safetensors, offset " + std::to_string(offset + 8) + ": Input/output error");
    }
    std::memset(destination.data(), 'f', destination.size());
    return Status::Ok();
  }
  void VisitSources(std::uint64_t, std::uint64_t, const std::function<void(const SourceSpan&)>&) const override {}
};

void MustBeOk(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "sample tree: %s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

std::string PatternBytes(std::uint64_t size, std::uint32_t seed) {
  std::string bytes(size, '\0');
  std::uint32_t state = seed * 2654435761u + 1;
  for (char& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

std::shared_ptr<const VirtualTree> SampleTree() {
  const RankSet all = RankSet::All(2);
  VirtualTreeBuilder builder;
  const auto add = [&](const std::string& path, std::string bytes) {
    MustBeOk(builder.AddFile(path, all, MakeGeneratedFile(std::move(bytes))));
  };
  for (const char* directory : {"model-a", "model-a/inner", "many"}) MustBeOk(builder.AddDirectory(directory, all));
  add("config.json", kConfigText);
  add("empty.json", "");
  add("model-a/model.safetensors", PatternBytes(kLargeSize, 1));
  add("model-a/inner/small.bin", "small");
  MustBeOk(builder.AddFile("faulty.bin", all, std::make_unique<FaultyFile>()));
  for (int i = 0; i < kManyFiles; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "many/file-%03d.bin", i);
    add(name, name);
  }
  return std::move(builder).Build();
}

}  // namespace shardfs
