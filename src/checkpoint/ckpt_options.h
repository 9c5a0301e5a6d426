// The options of a reader that meets MindSpore's .ckpt files. (spec/mindspore-ckpt.md, sections 4 and 6)
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "format/ckpt/cipher.h"
#include "format/ckpt/decryption_key.h"
#include "shardfs/base/result.h"
#include "shardfs/option/option_spec.h"
#include "shardfs/option/option_values.h"

namespace shardfs {

inline constexpr std::array<std::string_view, 2> kExtrasChoices = {"refuse", "drop"};

// A reader puts these among its own.
inline constexpr std::array<OptionSpec, 4> kCkptOptions = {{
    {"crc_check", OptionKind::kSwitch, "", "Read each .ckpt whole and compare it with its crc trailer", "false"},
    {"extras", OptionKind::kChoice, "WHAT",
     "Strings and map parameters, which no layout can show: refuse, or drop them", "refuse", kExtrasChoices},
    {"key_file", OptionKind::kFile, "FILE",
     "File with the key of encrypted .ckpt files: 32, 48 or 64 hexadecimal digits", "the environment's SHARDFS_KEY"},
    {"dec_mode", OptionKind::kChoice, "MODE", "Mode that encrypted .ckpt files must have", "what each file says",
     kCipherModeNames},
}};

struct CkptOptions {
  bool crc_check = false;
  bool drop_extras = false;
  std::optional<CipherMode> mode;
  std::shared_ptr<const DecryptionKey> key;  // null where none is given
  bool has_key_file = false;

  // kInvalidArgument for a key file that holds no key. A variable SHARDFS_KEY that holds none is as good as not set
  // until a file needs it: RequireKey says so.
  static Result<CkptOptions> Parse(const OptionValues& values);

  // OK where there is a key; kInvalidArgument says how to give one.
  Status RequireKey() const;

 private:
  Status environment_;
};

}  // namespace shardfs
