// Encrypted .ckpt files through the program: where the key comes from, where it never goes, and what a wrong bit does.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "end_to_end/mounted_program.h"
#include "format/ckpt/ckpt_forms.h"
#include "format/ckpt/encrypted_bytes.h"
#include "fuse/fuse_available.h"

namespace shardfs::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class EncryptedCkpt : public ::testing::Test {
 protected:
  ~EncryptedCkpt() override { ::unsetenv("SHARDFS_KEY"); }

  std::string Write(const std::string& name, const std::string& bytes) const {
    const fs::path path = scratch_.path() / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }

  // A file of blocks of 1000 plain bytes whose tensor fills all but the first and a part of the last.
  std::string WriteSource(CipherMode mode) const {
    return Write("net.ckpt", Encrypt(mode, *KeyOf(kHex128), EntryOf("w", {5000}, "UInt8", content_), 1000));
  }

  std::vector<std::string> Command(const std::string& command, const std::string& source) const {
    return {command, source, (scratch_.path() / "out").string(), "--layout", "safetensors"};
  }

  ProgramResult Materialize(const std::string& source, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = Command("materialize", source);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunShardfs(arguments);
  }

  MountableDirectory scratch_;
  const std::string content_ = std::string(2500, 'x') + std::string(2500, 'y');
};

void ExpectNoKey(const std::string& text) {
  EXPECT_THAT(text, Not(HasSubstr(kHex128)));
  EXPECT_THAT(text, Not(HasSubstr(std::string(kHex128).substr(8, 16))));
}

TEST_F(EncryptedCkpt, TheKeyComesFromAFileOrTheEnvironmentAndGoesNowhere) {
  const std::string source = WriteSource(CipherMode::kAesGcm);
  const std::string key_file = Write("key", std::string(kHex128) + "\n");
  const ProgramResult none = Materialize(source);
  EXPECT_EQ(none.exit_code, 2) << none.err;
  EXPECT_THAT(none.err, HasSubstr("'net.ckpt' is encrypted: it needs a key: give --key-file FILE, or set SHARDFS_KEY"));
  const ProgramResult written = Materialize(source, {"--key-file", key_file});
  ASSERT_EQ(written.exit_code, 0) << written.err;
  EXPECT_THAT(written.err, HasSubstr("what is shown is plain text"));
  ExpectNoKey(written.out + written.err);
  EXPECT_THAT(ReadFile(scratch_.path() / "out" / "net.safetensors"), HasSubstr(content_));
  for (const auto& entry : fs::recursive_directory_iterator(scratch_.path() / "out")) {
    if (entry.is_regular_file()) ExpectNoKey(ReadFile(entry.path()));
  }
  ::setenv("SHARDFS_KEY", kHex128, 1);
  for (const bool as_json : {false, true}) {
    std::vector<std::string> arguments = {"plan", source, "--layout", "safetensors"};
    if (as_json) arguments.push_back("--json");
    const ProgramResult plan = RunShardfs(arguments);
    EXPECT_EQ(plan.exit_code, 0) << plan.err;
    ExpectNoKey(plan.out + plan.err);
  }
  EXPECT_EQ(RunShardfs(Command("verify", source)).exit_code, 0);
  ::setenv("SHARDFS_KEY", "101112131415161718191a1b1c1d1e1", 1);
  const ProgramResult wrong = RunShardfs({"plan", source, "--layout", "safetensors"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("SHARDFS_KEY holds 31 characters"));
}

TEST_F(EncryptedCkpt, NoOptionTakesTheKeyItself) {
  const std::string source = WriteSource(CipherMode::kAesGcm);
  for (const std::string option : {"--key", "--dec-key", "--shardfs-key"}) {
    EXPECT_EQ(Materialize(source, {option, kHex128}).exit_code, 2) << option;
  }
  // A key where its file's name is asked for is not repeated to whoever reads the message.
  const ProgramResult result = Materialize(source, {"--key-file", kHex128});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("key_file takes the name of a file"));
  ExpectNoKey(result.out + result.err);
}

TEST_F(EncryptedCkpt, KeysAndModesThatDoNotFitAreRefused) {
  const std::string gcm = WriteSource(CipherMode::kAesGcm);
  const std::string key = Write("key", kHex128);
  const std::string other = Write("other", kHex256);
  const ProgramResult wrong_key = Materialize(gcm, {"--key-file", other});
  EXPECT_EQ(wrong_key.exit_code, 3) << wrong_key.err;
  EXPECT_THAT(wrong_key.err, HasSubstr("the key is another one, or the file is damaged"));
  EXPECT_EQ(Materialize(gcm, {"--key-file", key, "--dec-mode", "AES-CBC"}).exit_code, 2);
  EXPECT_EQ(Materialize(gcm, {"--key-file", key, "-O", "crc_check=true"}).exit_code, 2);
  EXPECT_FALSE(fs::exists(scratch_.path() / "out"));
}

TEST_F(EncryptedCkpt, EachModeIsMountedAndReadAnywhere) {
  SHARDFS_REQUIRE_FUSE();
  const std::string key = Write("key", kHex128);
  for (const CipherMode mode : {CipherMode::kAesGcm, CipherMode::kAesCbc, CipherMode::kSm4Cbc}) {
    const MountedProgram mount(WriteSource(mode), {"--layout", "safetensors", "--key-file", key});
    ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
    const std::string whole = ReadFile(fs::path(mount.path()) / "net.safetensors");
    EXPECT_EQ(whole.substr(whole.size() - content_.size()), content_) << CipherModeName(mode);
    EXPECT_EQ(ReadMapped(fs::path(mount.path()) / "net.safetensors", MAP_PRIVATE), whole);
    ExpectNoKey(ReadFile(fs::path(mount.path()) / ".shardfs" / "status.json"));
    ExpectNoKey(ReadFile(fs::path(mount.path()) / ".shardfs" / "metrics"));
  }
}

// The third block holds nothing but the tensor's bytes, so it is checked by the first read of it.
TEST_F(EncryptedCkpt, AFlippedBitIsAnErrorOfEachReadOfItsBlock) {
  SHARDFS_REQUIRE_FUSE();
  const std::string source = WriteSource(CipherMode::kAesGcm);
  std::string bytes = ReadFile(source);
  bytes[2 * 1048 + 500] ^= 4;
  Write("net.ckpt", bytes);
  const MountedProgram mount(source, {"--layout", "safetensors", "--key-file", Write("key", kHex128)});
  ASSERT_EQ(mount.result().exit_code, 0) << mount.result().err;
  const fs::path file = fs::path(mount.path()) / "net.safetensors";
  const std::uint64_t header = fs::file_size(file) - content_.size();
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);  // each read for itself, not by pages around it
  ASSERT_GE(fd, 0);
  std::string buffer(100, '\0');
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(header + 500)), 100);
    EXPECT_EQ(buffer, std::string(100, 'x'));
    EXPECT_EQ(::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(header + 2400)), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(header + 4500)), 100);
    EXPECT_EQ(buffer, std::string(100, 'y'));
  }
  ::close(fd);
}

}  // namespace
}  // namespace shardfs::testing
