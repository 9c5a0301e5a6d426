// Unit files of systemd, read and acted upon by tests, where no systemd runs: as much of systemd.syntax(7) and
// systemd.service(5) as our units use.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shardfs/base/result.h"

namespace shardfs {

using Environment = std::map<std::string, std::string>;

struct UnitCommand {
  std::vector<std::string> words;  // of the command line, not expanded
  bool may_fail = false;           // "-" before it
};

class UnitFile {
 public:
  // Reads the unit; %i and %f become `instance` and `path`.
  static Result<UnitFile> Read(const std::string& file, const std::string& instance, const std::string& path);

  // All values of a setting, in order. Empty when it is not there.
  std::vector<std::string> Values(const std::string& section, const std::string& name) const;
  // The one value; empty when there is none.
  std::string Value(const std::string& section, const std::string& name) const;
  std::vector<UnitCommand> Commands(const std::string& name) const;

 private:
  std::multimap<std::pair<std::string, std::string>, std::string> settings_;  // of equal keys in order
};

// Assignments of an EnvironmentFile=: NAME=VALUE, comments and empty lines.
Result<Environment> ReadEnvironmentFile(const std::string& file);

// "$NAME" as a word of its own becomes the words of its value, "${NAME}" anywhere its value.
std::vector<std::string> ExpandWords(const std::vector<std::string>& words, const Environment& environment);

}  // namespace shardfs
