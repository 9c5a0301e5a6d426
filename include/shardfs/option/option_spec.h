// OptionSpec: the declaration of one option of a reader, a transform or a layout. The command line, `mount -o`, JSON
// files, the environment, the help, the man page, the completions and the README's table all derive from it.
//
// An option is given in three spellings with one meaning: "--moe-tp 4", "--moe_tp 4" and "-O moe_tp=4"; in JSON and in
// `mount -o` it is called "moe_tp". Several takers may declare one name (max_shard_size), each with its own meaning and
// its own default; they must agree in its kind.
//
// Specs are constants with static storage: every string_view and span here outlives the program's use of it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace shardfs {

enum class OptionKind : std::uint8_t {
  kCount,      // a whole number of at least 1; -1 asks for the default, as the engines write it
  kSwitch,     // true or false: "--mtp", "--no-mtp", "-O mtp=true"
  kBytes,      // "10GB", "512MiB", "1000"
  kChoice,     // one of `choices`
  kText,       // any text that is not empty; its taker looks at it
  kList,       // texts separated by commas outside of braces, or given again
  kFile,       // the path of a file that must exist
  kDirectory,  // the path of a directory that must exist
};

struct OptionSpec {
  std::string_view name;      // "moe_tp": lower case, parts joined by '_'
  OptionKind kind;
  std::string_view value;     // what stands for the value in help: "N"; empty for a switch
  std::string_view summary;   // one phrase for help, man page and completions, without a full stop
  std::string_view fallback;  // what holds where it is not given, in words; empty where nothing does
  std::span<const std::string_view> choices = {};  // kChoice
  std::string_view environment = {};               // the variable that gives it where nothing else does: "DEEPSEEK_MTP"
  bool is_yes_unless_0 = false;                    // kSwitch: the variable may be any whole number
  bool is_input = false;                           // kFile, kDirectory: what it names decides bytes of the view
  std::string_view alias = {};                     // a second name that upstream tools use: "model_parallel"
};

}  // namespace shardfs
