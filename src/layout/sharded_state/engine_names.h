// What an engine calls the tensors of its state dict, by release: data, so that a release that the program does not
// know yet is a file away.
//
// Thread-safety: immutable; const members from any number of threads.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layout/sharded_state/release_number.h"
#include "shardfs/base/json.h"
#include "shardfs/base/result.h"

namespace shardfs {

// Roles and names of a part of the model, in the order of the state dict.
using NameBlock = std::vector<std::pair<std::string, std::string>>;

// The names of one release. The keys of `blocks` are those of engine_names_data.cc.
struct EngineNames {
  std::string engine;  // "vllm"
  ReleaseNumber release;
  std::map<std::string, NameBlock, std::less<>> blocks;
  bool router_bias_is_f32 = false;  // otherwise it has the model's dtype

  const NameBlock& Block(std::string_view name) const;  // each block of the table is there
};

class EngineNameTable {
 public:
  // The table that the program has.
  static const EngineNameTable& BuiltIn();

  // The built-in table with the engines of a file in place of its own. The file is an object {engine: ...} or the
  // whole output of `shardfs layouts sharded-state --json`. kInvalidArgument for anything else, for a block or a role
  // that the program does not know, and for a first release without all blocks.
  static Result<EngineNameTable> Read(const std::string& path);
  static Result<EngineNameTable> Parse(std::string_view json, std::string_view what);

  // The names of release `text` of `engine`, or of the last that is known where `text` is empty. kInvalidArgument
  // names the nearest release that is known.
  Result<EngineNames> Find(std::string_view engine, std::string_view text) const;

  // kInvalidArgument where the release is older than the engine's first with that model type.
  Status CheckModelType(const EngineNames& names, std::string_view model_type) const;

  // The first release of each run of releases with one set of names, and the last that is known: "0.6.3", ..., "0.26".
  std::vector<ReleaseNumber> Releases(std::string_view engine) const;
  std::vector<std::string> Engines() const;

 private:
  struct Release {
    ReleaseNumber first;
    EngineNames names;  // all blocks, those of earlier releases included
  };
  struct Engine {
    ReleaseNumber last;
    std::map<std::string, ReleaseNumber, std::less<>> since;
    std::vector<Release> releases;  // ascending
  };

  static Result<Engine> ParseEngine(const std::string& name, const JsonValue& json);
  static Result<Release> ParseRelease(const JsonValue& json, const Release* before);

  std::map<std::string, Engine, std::less<>> engines_;
};

// "vllm 0.6.3 to 0.26, sglang 0.5.9 to 0.5.18".
std::string DescribeReleases(const EngineNameTable& table);

}  // namespace shardfs
