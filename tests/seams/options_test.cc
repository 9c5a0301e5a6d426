// The options of a reader, a transform and a layout that a stranger adds, as a user gives them: each spelling, each
// origin, and what is said of one that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "cli/run_shardfs.h"
#include "fuse/fuse_available.h"
#include "seams/toy_checkpoint.h"
#include "tools/read_text.h"

namespace shardfs::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class ToyOptions : public ::testing::Test {
 protected:
  ~ToyOptions() override { ::unsetenv("TOY_ORDER"); }

  // The order in which tensors are dealt, from the layout's listing: "forward", "reverse", or what went wrong.
  std::string OrderShown(const Words& options, const std::filesystem::path& destination) const {
    Words arguments = {"materialize", checkpoint_.toy(), destination, "--layout", "toy"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const ProgramResult result = RunShardfs(arguments);
    if (result.exit_code != 0) return result.err;
    return OrderIn(destination);
  }
  std::string OrderShown(const Words& options) const {
    const std::string order = OrderShown(options, checkpoint_.Scratch("out"));
    std::filesystem::remove_all(checkpoint_.Scratch("out"));
    return order;
  }

  static std::string OrderIn(const std::filesystem::path& directory) {
    const std::string listing = ReadTextOf(directory / "LISTING.txt");
    if (listing.starts_with("rank0/model.norm.weight.safetensors F32 [3]\n")) return "forward";
    if (listing.starts_with("rank0/model.embed_tokens.weight.safetensors F32 [4, 2]\n")) return "reverse";
    return "listing: " + listing;
  }

  // The refusal of `shardfs plan SOURCE options`, which must end with 2.
  std::string Refusal(const Words& options) const {
    return Refusal(checkpoint_.toy(), options);
  }
  static std::string Refusal(const std::filesystem::path& source, const Words& options) {
    Words arguments = {"plan", source};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const ProgramResult result = RunShardfs(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.out << result.err;
    return result.err;
  }

  ToyCheckpoint checkpoint_;
};

TEST_F(ToyOptions, EverySpellingHasOneMeaning) {
  EXPECT_EQ(OrderShown({}), "forward");
  for (const Words& spelling : std::vector<Words>{{"--toy-order", "reverse"},
                                                  {"--toy_order", "reverse"},
                                                  {"--toy-order=reverse"},
                                                  {"-O", "toy_order=reverse"},
                                                  {"-O", "toy-order=reverse"},
                                                  {"--toy-sequence", "reverse"},
                                                  {"--toy_sequence", "reverse"},
                                                  {"-O", "toy_sequence=reverse"}}) {
    EXPECT_EQ(OrderShown(spelling), "reverse") << spelling.front() << " " << spelling.back();
  }
}

TEST_F(ToyOptions, ASwitchHasBothAnswersAndItsAlias) {
  for (const Words& spelling : std::vector<Words>{{"--no-toy-listing"},
                                                  {"--no_toy_listing"},
                                                  {"--no-toy-contents"},
                                                  {"-O", "toy_listing=false"},
                                                  {"-O", "toy_contents=false"}}) {
    EXPECT_EQ(OrderShown(spelling), "listing: ") << spelling.back();
  }
  for (const Words& spelling : std::vector<Words>{{"--toy-listing"}, {"--toy_contents"}, {"-O", "toy_contents=true"}}) {
    EXPECT_EQ(OrderShown(spelling), "forward") << spelling.back();
  }
  EXPECT_THAT(Refusal({"--layout", "toy", "--toy-contents", "--no-toy-listing"}), HasSubstr("contradicts"));
}

TEST_F(ToyOptions, JsonHasTheSameNames) {
  const auto config = [&](const std::string& text) {
    return Words{"--config", checkpoint_.Write(checkpoint_.Scratch("options.json"), text)};
  };
  EXPECT_EQ(OrderShown(config(R"({"toy_order": "reverse"})")), "reverse");
  EXPECT_EQ(OrderShown(config(R"({"layout": "toy", "from": "toy", "options": {"toy-sequence": "reverse"}})")),
            "reverse");
  EXPECT_EQ(OrderShown(config(R"({"toy_listing": false})")), "listing: ");
  EXPECT_THAT(OrderShown(config(R"({"toy_ranks": "two"})")), AllOf(HasSubstr("\"toy_ranks\""), HasSubstr("'two'")));
}

TEST_F(ToyOptions, TheCommandLineComesBeforeTheEnvironmentAndThatBeforeJson) {
  const auto forward = checkpoint_.Write(checkpoint_.Scratch("forward.json"), R"({"toy_order": "forward"})");
  ::setenv("TOY_ORDER", "reverse", 1);
  EXPECT_EQ(OrderShown({}), "reverse");
  EXPECT_EQ(OrderShown({"--config", forward}), "reverse");
  EXPECT_EQ(OrderShown({"--toy-order", "forward"}), "forward");
  EXPECT_EQ(OrderShown({"--toy-sequence", "forward"}), "forward");
  ::setenv("TOY_ORDER", "sideways", 1);
  EXPECT_THAT(Refusal({"--layout", "toy"}), AllOf(HasSubstr("TOY_ORDER"), HasSubstr("'sideways'")));
  const ProgramResult other = RunShardfs({"plan", checkpoint_.toy(), "--layout", "huggingface"});
  EXPECT_EQ(other.exit_code, 0) << other.err;  // the environment is no request
}

TEST_F(ToyOptions, MountTakesThemBehindO) {
  SHARDFS_REQUIRE_FUSE();
  const std::string point = checkpoint_.Scratch("mount");
  std::filesystem::create_directory(point);
  for (const char* options : {"layout=toy,toy_order=reverse,toy_ranks=2", "layout=toy,toy-sequence=reverse,ro"}) {
    const ProgramResult mounted = RunShardfs({checkpoint_.toy(), point, "-o", options});
    ASSERT_EQ(mounted.exit_code, 0) << mounted.err;
    EXPECT_EQ(OrderIn(point), "reverse");
    EXPECT_EQ(RunShardfs({"umount", point}).exit_code, 0);
  }
  const ProgramResult quiet = RunShardfs({checkpoint_.toy(), point, "-o", "layout=toy,no_toy_listing"});
  ASSERT_EQ(quiet.exit_code, 0) << quiet.err;
  EXPECT_EQ(OrderIn(point), "listing: ");
  EXPECT_EQ(RunShardfs({"umount", point}).exit_code, 0);
}

TEST_F(ToyOptions, MountRefusesThemBehindOAsTheCommandLineDoes) {
  const std::string point = checkpoint_.Scratch("mount");
  std::filesystem::create_directory(point);
  const auto refusal = [&](const std::string& options) {
    const ProgramResult result = RunShardfs({checkpoint_.toy(), point, "-o", options});
    EXPECT_EQ(result.exit_code, 1) << result.err;  // mount(8): a wrong call
    return result.err;
  };
  EXPECT_THAT(refusal("layout=toy,toy_ordr=reverse"), HasSubstr("did you mean toy_order?"));
  EXPECT_THAT(refusal("layout=toy,toy_order=sideways"), HasSubstr("forward"));
  EXPECT_THAT(refusal("layout=toy,toy_order"), HasSubstr("toy_order needs a value"));
  EXPECT_THAT(refusal("layout=toy,moe_tp=2"), HasSubstr("the toy layout has no --moe-tp (-O moe_tp); mindie has"));
}

TEST_F(ToyOptions, OneThatNothingTakesIsRefusedByName) {
  EXPECT_THAT(Refusal({"--layout", "toy", "--moe-tp", "2"}), HasSubstr("the toy layout has no --moe-tp; mindie has"));
  EXPECT_THAT(Refusal({"--layout", "toy", "--max-shard-size", "1GB"}), HasSubstr("mindie, huggingface and sharded-state have"));
  EXPECT_THAT(Refusal({"--layout", "huggingface", "--toy-order", "reverse"}),
              HasSubstr("the huggingface layout has no --toy-order; toy has"));
  EXPECT_THAT(Refusal({"--layout", "huggingface", "-O", "toy_sequence=reverse"}),
              HasSubstr("the huggingface layout has no --toy-sequence (-O toy_sequence); toy has"));
  EXPECT_THAT(Refusal({"--layout", "toy", "-O", "toy_ordr=reverse"}), HasSubstr("did you mean toy_order?"));
  EXPECT_THAT(Refusal({"--layout", "toy", "--toy-ordr", "reverse"}), HasSubstr("did you mean --toy-order?"));
  EXPECT_THAT(Refusal(checkpoint_.huggingface(), {"--layout", "toy", "--from", "huggingface", "--toy-index", "x"}),
              HasSubstr("--toy-index"));
}

TEST_F(ToyOptions, AWrongValueIsRefusedByTheDeclaration) {
  EXPECT_THAT(Refusal({"--layout", "toy", "--toy-order", "sideways"}),
              AllOf(HasSubstr("--toy-order"), HasSubstr("'sideways'"), HasSubstr("forward"), HasSubstr("reverse")));
  EXPECT_THAT(Refusal({"--layout", "toy", "--toy-ranks", "0"}), HasSubstr("--toy-ranks"));
  EXPECT_THAT(Refusal({"--layout", "toy", "--toy-ranks", "2000"}), HasSubstr("toy_ranks is 2000, more than 1024"));
  EXPECT_THAT(Refusal({"--layout", "toy", "--toy-order", "forward", "--toy-order", "reverse"}),
              HasSubstr("--toy-order is given more than once"));
}

TEST_F(ToyOptions, LayoutsListsThem) {
  const std::string text = RunShardfs({"layouts"}).out;
  EXPECT_THAT(text, AllOf(HasSubstr("  toy          raw F32 files, and a text index of their tensors\n"),
                          HasSubstr("  toy-negate   flips the sign of every element\n"),
                          HasSubstr("  toy          a file for each tensor, dealt to ranks one by one\n")));
  EXPECT_THAT(text, HasSubstr("--toy-order ORDER          Order in which tensors are dealt: forward, reverse (default: "
                              "forward); also --toy-sequence; environment TOY_ORDER\n"));
  const auto list = nlohmann::json::parse(RunShardfs({"layouts", "toy", "--json"}).out, nullptr, false);
  ASSERT_EQ(list.size(), 2u);  // the reader and the layout
  EXPECT_EQ(list[0]["kind"], "reader");
  EXPECT_EQ(list[0]["options"][0]["name"], "toy_index");
  EXPECT_EQ(list[1]["kind"], "layout");
  EXPECT_EQ(list[1]["options"][0]["name"], "toy_order");
  EXPECT_EQ(list[1]["options"][0]["alias"], "toy_sequence");
  EXPECT_EQ(list[1]["options"][0]["environment"], "TOY_ORDER");
}

}  // namespace
}  // namespace shardfs::testing
