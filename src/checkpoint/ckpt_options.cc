#include "checkpoint/ckpt_options.h"

#include <fmt/format.h>

namespace shardfs {
namespace {

constexpr const OptionSpec& kCrcCheck = kCkptOptions[0];
constexpr const OptionSpec& kExtras = kCkptOptions[1];
constexpr const OptionSpec& kKeyFile = kCkptOptions[2];
constexpr const OptionSpec& kDecMode = kCkptOptions[3];

}  // namespace

Result<CkptOptions> CkptOptions::Parse(const OptionValues& values) {
  CkptOptions options;
  options.crc_check = values.Switch(kCrcCheck).value_or(false);
  options.drop_extras = values.Text(kExtras) == "drop";
  if (const auto mode = values.Text(kDecMode)) options.mode = CipherModeFromName(*mode);
  if (const auto file = values.Text(kKeyFile)) {
    SHARDFS_ASSIGN_OR_RETURN(options.key, DecryptionKey::FromFile(*file));
    options.has_key_file = true;
    return options;
  }
  auto key = DecryptionKey::FromEnvironment();
  if (key.ok()) {
    options.key = std::move(key).value();
  } else {
    options.environment_ = key.status();
  }
  return options;
}

Status CkptOptions::RequireKey() const {
  if (key != nullptr) return Status::Ok();
  SHARDFS_RETURN_IF_ERROR(environment_);
  return Status::InvalidArgument(
      fmt::format("it needs a key: give --key-file FILE, or set {} in the environment", kKeyVariable));
}

}  // namespace shardfs
