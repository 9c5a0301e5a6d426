// The tensors of a directory of safetensors files, read as any program reads them: with pread(2), and the header
// parsed.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "shardfs/format/safetensors/header.h"

namespace shardfs::testing {

// A tensor: its file, and where its bytes begin in it.
struct Place {
  std::filesystem::path file;
  HeaderTensor tensor;
  std::uint64_t begin = 0;
};

inline std::string Pread(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t size) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string bytes(size, '\xa5');
  const ssize_t count = ::pread(fd, bytes.data(), size, static_cast<off_t>(offset));
  ::close(fd);
  EXPECT_EQ(count, static_cast<ssize_t>(size)) << path << " at " << offset;
  return bytes;
}

inline std::uint64_t BytesOf(const Place& place) { return place.tensor.end - place.tensor.begin; }

// All bytes of a tensor of less than 2 GiB.
inline std::string ContentOf(const Place& place) { return Pread(place.file, place.begin, BytesOf(place)); }

inline Header HeaderOf(const std::filesystem::path& file) {
  const std::uint64_t size = std::filesystem::file_size(file);
  const std::string first8 = Pread(file, 0, 8);
  const std::uint64_t extent = HeaderExtent(std::as_bytes(std::span(first8)), size).value();
  const std::string bytes = Pread(file, 0, extent);
  return ParseHeader(std::as_bytes(std::span(bytes)), size, "view").value();
}

// By name; no two files may have a tensor of one name.
inline std::map<std::string, Place> TensorsOfFolder(const std::filesystem::path& folder) {
  std::map<std::string, Place> places;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    const Header header = HeaderOf(entry.path());
    for (const HeaderTensor& tensor : header.tensors) {
      const Place place{entry.path(), tensor, header.data_offset + tensor.begin};
      EXPECT_TRUE(places.emplace(tensor.name, place).second) << tensor.name << " is in two files";
    }
  }
  return places;
}

}  // namespace shardfs::testing
