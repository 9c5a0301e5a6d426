// DeclaredOption: one option name with all that declare it, as help, man page, completions and tables show it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "shardfs/option/option_taker.h"

namespace shardfs {

struct DeclaredOption {
  std::string name;                   // "moe_tp"
  std::vector<std::string> aliases;   // of all takers, without those that are the name of another option
  OptionKind kind = OptionKind::kText;
  std::string value;                  // what stands for the value: "N"
  std::string help;                   // one phrase; where several declare it, what it means to each
  std::string group;                  // "Options of mindie", "Options of several"
  std::vector<std::string> takers;    // "mindie"
  std::vector<std::string> choices;   // of all takers
};

// One for each name, in the order of first declaration.
std::vector<DeclaredOption> DeclaredOptions(std::span<const OptionTaker> takers);

}  // namespace shardfs
