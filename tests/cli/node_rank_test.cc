// --node-rank and --nnodes, by number and from the environment of a launcher.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "parallel/node_environment.h"
#include "parallel/node_ranks.h"
#include "cli/rank_options.h"
#include "parallel/rank_table_node.h"
#include "fuse/temporary_mount.h"

namespace shardfs {
namespace {

using ::testing::HasSubstr;

constexpr const char* kVariables[] = {"NODE_RANK",        "NNODES",         "GROUP_RANK",
                                      "GROUP_WORLD_SIZE", "SLURM_NODEID",   "SLURM_STEP_NUM_NODES",
                                      "SLURM_NNODES",     "RANK_TABLE_FILE"};

RankOptions Node(const std::string& rank, std::optional<std::uint32_t> nodes = {}) {
  RankOptions options;
  options.node_rank = rank;
  options.nodes = nodes;
  return options;
}

class NodeRankTest : public testing::Test {
 protected:
  NodeRankTest() { Clear(); }
  ~NodeRankTest() override { Clear(); }

  void Set(const std::map<std::string, std::string>& environment) {
    Clear();
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  }

  // The ranks of 16, or the message of the refusal.
  std::string Ranks(const RankOptions& options, std::uint32_t rank_table_nodes = 1) const {
    View view;
    view.world_size = 16;
    view.nodes = rank_table_nodes;
    testing::internal::CaptureStderr();
    const auto ranks = SelectRanks(options, view);
    note_ = testing::internal::GetCapturedStderr();
    if (!ranks.ok()) return std::string(ranks.status().message());
    return ranks->has_value() ? FormatRanks(**ranks) : "all";
  }

  mutable std::string note_;

 private:
  static void Clear() {
    for (const char* name : kVariables) ::unsetenv(name);
  }
};

TEST_F(NodeRankTest, ByNumber) {
  EXPECT_EQ(Ranks({}), "all");
  RankOptions only;
  only.ranks = "1,4-5";
  EXPECT_EQ(Ranks(only), "1,4-5");
  EXPECT_EQ(Ranks(Node("1", 2)), "8-15");
  EXPECT_EQ(Ranks(Node("1"), 4), "4-7");
  EXPECT_EQ(note_, "");
  EXPECT_THAT(Ranks(Node("1")), HasSubstr("add --nnodes"));
  EXPECT_THAT(Ranks(Node("one", 2)), HasSubstr("'one'"));
  EXPECT_THAT(Ranks(Node("-1", 2)), HasSubstr("'-1'"));
}

TEST_F(NodeRankTest, TheEnvironmentCountsOnlyWhenAsked) {
  Set({{"SLURM_NODEID", "1"}, {"SLURM_NNODES", "2"}});
  EXPECT_EQ(Ranks({}), "all");
  EXPECT_EQ(Ranks(Node("0", 4)), "0-3");
}

TEST_F(NodeRankTest, AutoTakesSlurmTorchrunOrTheUser) {
  Set({{"SLURM_NODEID", "1"}, {"SLURM_NNODES", "2"}});
  EXPECT_EQ(Ranks(Node("auto")), "8-15");
  EXPECT_EQ(note_, "shardfs: node 1 of 2 (SLURM_NODEID and SLURM_NNODES): ranks 8-15\n");
  Set({{"SLURM_NODEID", "1"}, {"SLURM_NNODES", "8"}, {"SLURM_STEP_NUM_NODES", "2"}});
  EXPECT_EQ(Ranks(Node("auto")), "8-15");
  Set({{"GROUP_RANK", "3"}, {"GROUP_WORLD_SIZE", "4"}});
  EXPECT_EQ(Ranks(Node("auto")), "12-15");
  Set({{"GROUP_RANK", "0"}, {"NNODES", "4"}});
  EXPECT_EQ(Ranks(Node("auto")), "0-3");
  Set({{"NODE_RANK", "1"}, {"NNODES", "4"}, {"SLURM_NODEID", "0"}, {"SLURM_NNODES", "2"}});
  EXPECT_EQ(Ranks(Node("auto")), "4-7");
  Set({{"NODE_RANK", ""}, {"SLURM_NODEID", "0"}, {"SLURM_NNODES", "2"}});
  EXPECT_EQ(Ranks(Node("auto")), "0-7");
}

TEST_F(NodeRankTest, AutoTakesTheNumberOfNodesFromTheOptionOrTheRankTable) {
  Set({{"NODE_RANK", "1"}});
  EXPECT_EQ(Ranks(Node("auto", 4)), "4-7");
  EXPECT_EQ(Ranks(Node("auto"), 2), "8-15");
  EXPECT_THAT(note_, HasSubstr("(NODE_RANK and the rank table)"));
  EXPECT_THAT(Ranks(Node("auto")), HasSubstr("nothing says of how many; add --nnodes"));
}

TEST_F(NodeRankTest, AutoRefusesWhatDoesNotAgree) {
  EXPECT_THAT(Ranks(Node("auto")), HasSubstr("none of NODE_RANK, GROUP_RANK, SLURM_NODEID and RANK_TABLE_FILE"));
  Set({{"NODE_RANK", "one"}, {"NNODES", "2"}});
  EXPECT_THAT(Ranks(Node("auto")), HasSubstr("NODE_RANK is 'one'"));
  Set({{"NODE_RANK", "0"}, {"NNODES", "1:4"}});
  EXPECT_THAT(Ranks(Node("auto")), HasSubstr("NNODES is '1:4'"));
  Set({{"NODE_RANK", "2"}, {"NNODES", "2"}});
  EXPECT_THAT(Ranks(Node("auto")), HasSubstr("no node 2 among 2 nodes"));
  Set({{"NODE_RANK", "0"}, {"NNODES", "2"}});
  EXPECT_THAT(Ranks(Node("auto"), 4), HasSubstr("NNODES says 2 nodes and the rank table 4"));
  EXPECT_EQ(Ranks(Node("auto", 2), 4), "0-7");
}

constexpr const char* kRankTable = R"({"server_count": "2", "server_list": [
    {"server_id": "10.0.0.2", "device": [{"device_id": "0", "rank_id": "8"}, {"device_id": "1", "rank_id": "9"}]},
    {"server_id": "10.0.0.1", "host_ip": "192.168.0.1", "device": [{"rank_id": "6"}, {"rank_id": "7"}]},
    {"server_id": "10.0.0.3", "device": [{"rank_id": "1"}, {"rank_id": "2"}]},
    {"server_id": "10.0.0.4"}]})";

TEST(RankTableNodeTest, FindsTheMachineByNameOrAddress) {
  EXPECT_EQ(ParseRankTableNode(kRankTable, "t", {"node", "10.0.0.2"}).value(), 4u);
  EXPECT_EQ(ParseRankTableNode(kRankTable, "t", {"192.168.0.1"}).value(), 3u);
  EXPECT_EQ(ParseRankTableNode(kRankTable, "t", {"10.0.0.4"}).value(), 3u);  // without ranks, by its place
}

TEST(RankTableNodeTest, RefusesWhatIsNotSure) {
  const auto message = [](const std::set<std::string>& names, const char* table = kRankTable) {
    return std::string(ParseRankTableNode(table, "t", names).status().message());
  };
  EXPECT_THAT(message({"a", "10.0.0.9"}), HasSubstr("no server with a name or address of this machine (10.0.0.9, a)"));
  EXPECT_THAT(message({"10.0.0.1", "10.0.0.2"}), HasSubstr("this machine twice, as server 0 and 1"));
  EXPECT_THAT(message({"10.0.0.3"}), HasSubstr("2 devices the ranks 1 to 2"));
  EXPECT_THAT(message({"a"}, "{}"), HasSubstr("no server"));
  EXPECT_THAT(message({"a"}, "{"), HasSubstr("t"));
}

TEST_F(NodeRankTest, AutoFindsThisMachineInTheRankTable) {
  const std::set<std::string> names = NamesOfThisMachine();
  ASSERT_FALSE(names.empty());
  const MountableDirectory directory;
  const std::string path = directory.path() / "rank_table.json";
  std::ofstream(path) << R"({"server_count": 2, "server_list": [{"server_id": "x"}, {"server_id": ")" << *names.begin()
                      << R"("}]})";
  Set({{"RANK_TABLE_FILE", path}});
  EXPECT_EQ(Ranks(Node("auto"), 2), "8-15");
  EXPECT_THAT(note_, HasSubstr("(RANK_TABLE_FILE and the rank table)"));
  Set({{"RANK_TABLE_FILE", path + ".none"}});
  EXPECT_THAT(Ranks(Node("auto"), 2), HasSubstr("the rank table: cannot read"));
}

}  // namespace
}  // namespace shardfs
