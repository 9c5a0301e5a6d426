#include "format/ckpt/decryption_key.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "base/quote_name.h"
#include "shardfs/base/file_descriptor.h"

namespace shardfs {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";
constexpr std::size_t kMaxKeyFileBytes = 4096;

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A buffer for text that holds a key.
struct WipedBuffer {
  std::array<char, kMaxKeyFileBytes + 1> bytes;
  ~WipedBuffer() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

}  // namespace

DecryptionKey::~DecryptionKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Result<std::shared_ptr<const DecryptionKey>> DecryptionKey::FromHex(std::string_view text, const std::string& where) {
  const std::size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(begin);
  text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  if (text.size() != 32 && text.size() != 48 && text.size() != 64) {
    return Status::InvalidArgument(fmt::format(
        "{} holds {} characters; a key is 32, 48 or 64 hexadecimal digits (16, 24 or 32 bytes)", where, text.size()));
  }
  const std::shared_ptr<DecryptionKey> key(new DecryptionKey);
  key->size_ = text.size() / 2;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int digit = DigitOf(text[i]);
    if (digit < 0) {
      return Status::InvalidArgument(
          fmt::format("{}: character {} is no hexadecimal digit, of which alone a key is made", where, i + 1));
    }
    key->bytes_[i / 2] = static_cast<unsigned char>(key->bytes_[i / 2] << 4 | digit);
  }
  return std::shared_ptr<const DecryptionKey>(key);
}

Result<std::shared_ptr<const DecryptionKey>> DecryptionKey::FromFile(const std::string& path) {
  // By mistake, and then not into a message either.
  if (FromHex(path, "").ok()) return Status::InvalidArgument("key_file takes the name of a file, not the key itself");
  const std::string where = "the key file " + QuoteName(path);
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat attributes {};
  if (!file.valid() || ::fstat(file.get(), &attributes) != 0) {
    return Status::InvalidArgument(std::string(Status::FromErrno(errno, "cannot read " + where).message()));
  }
  if (!S_ISREG(attributes.st_mode)) return Status::InvalidArgument(where + " is not a regular file");
  WipedBuffer buffer;
  std::size_t size = 0;
  while (size < buffer.bytes.size()) {
    const ssize_t count = ::read(file.get(), buffer.bytes.data() + size, buffer.bytes.size() - size);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Status::FromErrno(errno, "cannot read " + where);
    size += static_cast<std::size_t>(count);
  }
  if (size > kMaxKeyFileBytes) {
    return Status::InvalidArgument(fmt::format("{} has more than {} bytes: it is none", where, kMaxKeyFileBytes));
  }
  return FromHex({buffer.bytes.data(), size}, where);
}

Result<std::shared_ptr<const DecryptionKey>> DecryptionKey::FromEnvironment() {
  const char* const text = std::getenv(kKeyVariable);  // no copy of it is made
  if (text == nullptr || *text == '\0') return std::shared_ptr<const DecryptionKey>();
  return FromHex(text, fmt::format("the environment's {}", kKeyVariable));
}

}  // namespace shardfs
