// make_ckpt: writes sparse MindSpore .ckpt files for measuring: make_ckpt DIRECTORY [--ranks N | --entries N].
// Exit codes: 0 written, 1 failed while writing, 2 the command line is wrong.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include "tools/ckpt_files.h"

namespace shardfs::tools {
namespace {

Status Write(const std::filesystem::path& directory, std::uint64_t ranks, std::size_t entries) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (entries != 0) return WriteSparseCkpt(directory / "entries.ckpt", TinyTensors(entries));
  for (std::uint64_t rank = 0; rank < ranks; ++rank) {
    const std::filesystem::path folder = directory / fmt::format("rank_{}", rank);
    std::filesystem::create_directories(folder, error);
    SHARDFS_RETURN_IF_ERROR(WriteSparseCkpt(folder / fmt::format("checkpoint_{}.ckpt", rank), TensorsOf70B(ranks)));
  }
  return Status::Ok();
}

}  // namespace
}  // namespace shardfs::tools

int main(int argc, char** argv) {
  CLI::App app("Writes MindSpore .ckpt files whose tensors are holes.", "make_ckpt");
  std::string directory;
  std::uint64_t ranks = 8;
  std::size_t entries = 0;
  app.add_option("DIRECTORY", directory, "Where to write")->required();
  app.add_option("--ranks", ranks, "rank_R/checkpoint_R.ckpt of a 70B model cut for so many ranks");
  app.add_option("--entries", entries, "Instead: entries.ckpt of so many tensors of one element");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const shardfs::Status status = shardfs::tools::Write(directory, ranks, entries);
  if (status.ok()) return 0;
  fmt::print(stderr, "make_ckpt: {}\n", status.message());
  return 1;
}
