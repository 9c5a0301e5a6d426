// shardfs check-vllm and check-sglang: every row of the flag table, and what the files themselves say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/environment.h"
#include "cli/run_shardfs.h"
#include "console/text.h"
#include "fuse/temporary_mount.h"
#include "layout/sharded_state/check/flag_table.h"
#include "layout/sharded_state/check/server_arguments.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

// DeepSeek-V3's shape, 16 experts and one shared, cut in several ways; and a dense model that others wrote for vLLM
// 0.21.
class CheckServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { scratch_ = new MountableDirectory; }
  static void TearDownTestSuite() {
    delete scratch_;
    scratch_ = nullptr;
  }

  // The directory of these options, written once.
  static std::string Made(const Words& options) {
    std::string name = "made";
    for (const std::string& option : options) name += option;
    const fs::path directory = scratch_->path() / name;
    if (fs::exists(directory)) return directory;
    Words arguments = {"materialize", GoldenCase() + "/source", directory, "--layout", "sharded-state"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const ProgramResult written = RunShardfs(arguments);
    EXPECT_EQ(written.exit_code, 0) << written.err;
    return directory;
  }
  static std::string Dense() { return SHARDFS_TESTS_DIR "/golden/sharded-state/cast_f32_to_bf16/expected"; }

  static ProgramResult Check(const std::string& engine, const std::string& directory, const Words& before,
                             const Words& server) {
    Words arguments = {"check-" + engine, directory};
    arguments.insert(arguments.end(), before.begin(), before.end());
    arguments.push_back("--");
    arguments.insert(arguments.end(), server.begin(), server.end());
    return RunShardfs(arguments);
  }
  static ProgramResult CheckVllm(const std::string& directory, const Words& more, const Words& before = {}) {
    Words server = {"vllm", "serve", directory, "--load-format", "sharded_state", "--tensor-parallel-size", "2"};
    server.insert(server.end(), more.begin(), more.end());
    return Check("vllm", directory, before, server);
  }
  static ProgramResult CheckSglang(const std::string& directory, const Words& more) {
    Words server = {
        "python3",   "-m", "sglang.launch_server", "--model-path", directory, "--load-format", "sharded_state",
        "--tp-size", "2",  "--moe-runner-backend", "triton"};
    server.insert(server.end(), more.begin(), more.end());
    return Check("sglang", directory, {}, server);
  }

  static void ExpectRight(const ProgramResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, AllOf(Not(HasSubstr("WRONG")), HasSubstr("ok      files"), HasSubstr("should load this")));
  }
  // One line says WRONG, names the subject and says what to do.
  static void ExpectWrong(const ProgramResult& result, const std::string& subject, const std::string& part = "") {
    EXPECT_EQ(result.exit_code, 1) << result.out << result.err;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("WRONG   " + subject + ":") && line.find("; do: ") != std::string::npos &&
          line.find(part) != std::string::npos) {
        return;
      }
    }
    ADD_FAILURE() << "no line with " << subject << " and '" << part << "' in\n" << result.out << result.err;
  }

  static MountableDirectory* scratch_;
};

MountableDirectory* CheckServerTest::scratch_ = nullptr;

TEST_F(CheckServerTest, AServerThatFitsIsRight) {
  ExpectRight(CheckVllm(Made({"--tp", "2"}), {}));
  ExpectRight(CheckVllm(Made({"--tp", "2"}), {"-tp=2", "--dtype", "auto", "--port", "8000", "--trust-remote-code"}));
  ExpectRight(CheckVllm(Made({"--tp", "2", "--expert-parallel"}), {"--enable_expert_parallel"}));
  ExpectRight(CheckVllm(Dense(), {}, {"--engine-version", "0.21"}));
  ExpectRight(CheckSglang(Made({"--tp", "2", "--engine", "sglang"}), {"--disable-shared-experts-fusion"}));
  ExpectRight(CheckSglang(Made({"--tp", "2", "--engine", "sglang", "--shared-experts-fusion"}), {}));
  ExpectRight(CheckSglang(Made({"--tp", "2", "--engine", "sglang", "--expert-parallel"}), {"--ep-size", "2"}));
}

TEST_F(CheckServerTest, AnotherSizeIsFoundByFlagAndByFiles) {
  const std::string directory = Made({"--tp", "2"});
  const ProgramResult four = CheckVllm(directory, {"-tp", "4"});
  ExpectWrong(four, "--tensor-parallel-size", "'4', and must be 2");
  ExpectWrong(four, "files");
  EXPECT_THAT(four.out, HasSubstr("vLLM will not load this directory, or not as it should"));
  ExpectWrong(Check("vllm", directory, {}, {"vllm", "serve", directory, "--load-format", "sharded_state"}),
              "--tensor-parallel-size", "not given");
  ExpectWrong(CheckVllm(directory, {"--tensor-parallel-size", "two"}), "--tensor-parallel-size", "'two'");
}

TEST_F(CheckServerTest, AnotherReleaseIsFoundByNames) {
  ExpectWrong(CheckVllm(Made({"--tp", "2"}), {}, {"--engine-version", "0.22"}), "engine version",
              "the directory is for vllm 0.24 to 0.26, and the server is vllm 0.22");
  ExpectWrong(CheckVllm(Made({"--tp", "2", "--engine", "sglang"}), {}), "engine version", "sglang");
  ExpectWrong(CheckSglang(Made({"--tp", "2"}), {"--disable-shared-experts-fusion"}), "engine version", "vllm 0.24");
  EXPECT_EQ(CheckVllm(Made({"--tp", "2"}), {}, {"--engine-version", "0.99"}).exit_code, 2);
  // A dense model has the same names from 0.14 on.
  ExpectRight(CheckVllm(Dense(), {}, {"--engine-version", "0.26"}));
  ExpectWrong(CheckVllm(Dense(), {}, {"--engine-version", "0.13"}), "engine version");
}

// The rows of the table that a flag with a value makes wrong, each tried.
TEST_F(CheckServerTest, EveryFlagOfVllmsTableIsLookedAt) {
  const std::string plain = Made({"--tp", "2"});
  const std::vector<std::pair<std::string, Words>> wrong = {
      {"--load-format", {"--load-format", "auto"}},
      {"--pipeline-parallel-size", {"-pp", "2"}},
      {"--data-parallel-size", {"--data-parallel-size=2"}},
      {"--enable-expert-parallel", {"--enable-expert-parallel"}},
      {"--dtype", {"--dtype", "float16"}},
      {"--quantization", {"-q", "fp8"}},
      {"--model-loader-extra-config", {"--model-loader-extra-config", R"({"pattern": "rank-{rank}.safetensors"})"}},
      {"--enable-eplb", {"--enable-eplb"}},
      {"--eplb-config", {"--eplb-config", R"({"num_redundant_experts": 2})"}},
      {"--num-redundant-experts", {"--num-redundant-experts", "2"}},
      {"--all2all-backend", {"--all2all-backend", "deepep_low_latency"}},
      {"--enable-lora", {"--enable-lora"}},
      {"--decode-context-parallel-size", {"-dcp", "2"}},
      {"--prefill-context-parallel-size", {"--prefill-context-parallel-size", "2"}},
      {"--speculative-config", {"--speculative-config", R"({"method": "deepseek_mtp", "num_speculative_tokens": 1})"}},
      {"--hf-overrides", {"--hf-overrides", R"({"num_hidden_layers": 4})"}},
      {"--hf-config-path", {"--hf-config-path", "/elsewhere"}},
      {"--model-impl", {"--model-impl", "transformers"}},
      {"--config", {"--config", "server.yaml"}},
  };
  std::set<std::string> tried = {"--tensor-parallel-size", "--moe-backend", "VLLM_MLA_DISABLE", "VLLM_ROCM_USE_AITER",
                                 "VLLM_PLUGINS"};  // in tests of their own
  for (const auto& [flag, words] : wrong) {
    ExpectWrong(CheckVllm(plain, words), flag);
    tried.insert(flag);
  }
  ExpectWrong(CheckVllm(Made({"--tp", "2", "--expert-parallel"}), {"--no-enable-expert-parallel"}),
              "--enable-expert-parallel", "not given");
  for (const FlagRow& row : FlagTable()) {
    EXPECT_TRUE(row.engine != "vllm" || tried.contains(std::string(row.names.front()))) << row.names.front();
  }
}

TEST_F(CheckServerTest, FlagsThatDoNoHarmAreRight) {
  ExpectRight(CheckVllm(Made({"--tp", "2"}), {"-pp",
                                              "1",
                                              "-dp",
                                              "1",
                                              "--dtype",
                                              "bfloat16",
                                              "--moe-backend",
                                              "triton",
                                              "--num-redundant-experts",
                                              "0",
                                              "--all2all-backend",
                                              "allgather_reducescatter",
                                              "--speculative-config",
                                              R"({"method": "ngram", "num_speculative_tokens": 3})",
                                              "--model-impl",
                                              "vllm",
                                              "--model-loader-extra-config",
                                              "{}",
                                              "--no-enable-expert-parallel",
                                              "--quantization",
                                              "None"}));
  ExpectRight(CheckVllm(Dense(), {"--data-parallel-size", "4"}, {"--engine-version", "0.21"}));
}

TEST_F(CheckServerTest, VariablesBeforeTheProgramCount) {
  const std::string early = Made({"--tp", "2", "--engine-version", "0.8.5"});
  const auto check = [&](Words server, const std::string& release) {
    const Words program = {"vllm", "serve", early, "--load-format", "sharded_state", "-tp", "2"};
    server.insert(server.end(), program.begin(), program.end());
    return Check("vllm", early, {"--engine-version", release}, server);
  };
  ExpectWrong(check({}, "0.8.5"), "VLLM_MLA_DISABLE", "it is not set");
  ExpectRight(check({"VLLM_MLA_DISABLE=1"}, "0.8.5"));
  ExpectRight(check({}, "0.9.1"));
  ExpectWrong(check({"env", "VLLM_MLA_DISABLE=1", "VLLM_ROCM_USE_AITER=1"}, "0.8.5"), "VLLM_ROCM_USE_AITER");
  ExpectRight(check({"VLLM_ROCM_USE_AITER=1"}, "0.9.1"));
  ExpectWrong(check({"VLLM_PLUGINS=ascend"}, "0.9.1"), "VLLM_PLUGINS");
  Words backend = {"vllm", "serve", early, "--load-format", "sharded_state", "-tp", "2", "--moe-backend", "aiter"};
  ExpectWrong(Check("vllm", early, {"--engine-version", "0.8.5"}, backend), "--moe-backend");
}

TEST_F(CheckServerTest, EveryFlagOfSglangsTableIsLookedAt) {
  const std::string plain = Made({"--tp", "2", "--engine", "sglang"});
  const std::vector<std::pair<std::string, Words>> wrong = {
      {"--load-format", {"--load-format", "auto"}},
      {"--tp-size", {"--tp", "4"}},
      {"--pp-size", {"--pipeline-parallel-size", "2"}},
      {"--ep-size", {"--ep-size", "2"}},
      {"--enable-dp-attention", {"--enable-dp-attention"}},
      {"--enable-dp-lm-head", {"--enable-dp-lm-head"}},
      {"--moe-dense-tp-size", {"--moe-dense-tp-size", "1"}},
      {"--attn-cp-size", {"--attn-cp-size", "2"}},
      {"--dtype", {"--dtype", "half"}},
      {"--quantization", {"--quantization", "fp8"}},
      {"--torchao-config", {"--torchao-config", "int8wo"}},
      {"--model-loader-extra-config", {"--model-loader-extra-config", "{"}},
      {"--moe-runner-backend", {"--moe-runner-backend", "flashinfer_trtllm"}},
      {"--moe-a2a-backend", {"--moe-a2a-backend", "deepep"}},
      {"--enable-deepep-moe", {"--enable-deepep-moe"}},
      {"--enable-eplb", {"--enable-eplb"}},
      {"--ep-num-redundant-experts", {"--ep-num-redundant-experts", "8"}},
      {"--init-expert-location", {"--init-expert-location", "map.pt"}},
      {"--enable-lora", {"--lora-paths", "a=/b"}},
      {"--speculative-algorithm", {"--speculative-algorithm", "EAGLE"}},
      {"--json-model-override-args", {"--json-model-override-args", R"({"a": 1})"}},
      {"--model-impl", {"--model-impl", "transformers"}},
      {"--config", {"--config", "server.yaml"}},
  };
  std::set<std::string> tried = {"--disable-shared-experts-fusion", "SGLANG_USE_AITER"};
  for (auto [flag, words] : wrong) {
    words.insert(words.begin(), "--disable-shared-experts-fusion");
    ExpectWrong(CheckSglang(plain, words), flag);
    tried.insert(flag);
  }
  ExpectWrong(CheckSglang(plain, {}), "--disable-shared-experts-fusion", "not given");
  ExpectWrong(CheckSglang(Made({"--tp", "2", "--engine", "sglang", "--shared-experts-fusion"}),
                          {"--disable-shared-experts-fusion"}),
              "--disable-shared-experts-fusion", "it is given");
  ExpectWrong(Check("sglang", plain, {}, {"SGLANG_USE_AITER=1", "sglang", "--load-format=sharded_state", "--tp", "2"}),
              "SGLANG_USE_AITER");
  for (const FlagRow& row : FlagTable()) {
    EXPECT_TRUE(row.engine != "sglang" || tried.contains(std::string(row.names.front()))) << row.names.front();
  }
}

TEST_F(CheckServerTest, HelpPrintsTheTable) {
  for (const std::string engine : {"vllm", "sglang"}) {
    const ProgramResult help = RunShardfs({"check-" + engine, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    for (const FlagRow& row : FlagTable()) {
      if (row.engine != engine) continue;
      EXPECT_THAT(help.out, AllOf(HasSubstr(std::string(row.names.front())), HasSubstr(std::string(row.right)),
                                  HasSubstr(std::string(row.verdict))));
    }
  }
}

TEST_F(CheckServerTest, ANodesShareIsCheckedAlone) {
  const std::string whole = Made({"--tp", "4"});
  const std::string share = scratch_->MakeDirectory("share");
  for (const auto& entry : fs::directory_iterator(whole)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("model-rank-0") && !name.starts_with("model-rank-1"))
      fs::copy(entry.path(), fs::path(share) / name);
  }
  const Words server = {"vllm", "serve", share, "--load-format", "sharded_state", "-tp", "4"};
  ExpectRight(Check("vllm", share, {"--node-rank", "1", "--nnodes", "2"}, server));
  ExpectWrong(Check("vllm", share, {"--node-rank", "0", "--nnodes", "2"}, server), "files", "no files of rank 0");
  ExpectWrong(Check("vllm", share, {}, server), "files", "no files of rank 0");
}

TEST_F(CheckServerTest, WhatIsNoSuchDirectoryIsRefused) {
  const Words server = {"vllm", "serve"};
  EXPECT_EQ(Check("vllm", "/nowhere", {}, server).exit_code, 2);
  const ProgramResult none = Check("vllm", GoldenCase() + "/source", {}, server);
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("no model-rank-R-part-P.safetensors"));
  EXPECT_EQ(RunShardfs({"check-vllm", Dense()}).exit_code, 2);
  const std::string holey = scratch_->MakeDirectory("holey");
  fs::copy(Made({"--tp", "2", "--max-shard-size", "40KB"}), holey,
           fs::copy_options::overwrite_existing | fs::copy_options::recursive);
  fs::remove(fs::path(holey) / "model-rank-1-part-1.safetensors");
  EXPECT_EQ(CheckVllm(holey, {}).exit_code, 3);
}

TEST_F(CheckServerTest, TheServersModelIsHeldAgainstTheDirectory) {
  const auto check = [](const std::string& model) {
    return Check("vllm", Dense(), {"--engine-version", "0.21"},
                 {"vllm", "serve", model, "--load-format", "sharded_state", "-tp", "2"});
  };
  ExpectRight(check(Dense()));
  const ProgramResult inside = check("/inside/a/container");
  ExpectRight(inside);
  EXPECT_THAT(inside.out, HasSubstr("advice  model: the server loads '/inside/a/container'"));
  ExpectWrong(check("Qwen/Qwen2-7B"), "model", "is no path");
}

TEST_F(CheckServerTest, JsonSaysTheSame) {
  const ProgramResult result = CheckVllm(Made({"--tp", "2"}), {"-tp", "4"}, {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  const auto report = nlohmann::json::parse(result.out);
  EXPECT_EQ(report["ok"], false);
  EXPECT_GE(report["findings"].size(), 3u);
}

TEST(ServerArgumentsTest, FlagsAreReadAsParsersReadThem) {
  const Words words = {"A_B=1", "vllm",          "serve",         "/m",      "--dtype=half", "-tp",
                       "2",     "--enable_lora", "--no-enable-x", "--dtype", "auto",         "-1"};
  const ServerArguments arguments = ServerArguments::Parse(words);
  const auto find = [&](std::string_view name) { return arguments.Find(std::array{name}); };
  EXPECT_EQ(find("A_B"), "1");
  EXPECT_EQ(find("--dtype"), "auto");
  EXPECT_EQ(find("-tp"), "2");
  EXPECT_EQ(find("--enable-lora"), "");
  EXPECT_EQ(find("--enable-x"), "false");
  EXPECT_EQ(find("--load-format"), std::nullopt);
  EXPECT_EQ(arguments.model(), "/m");
}

TEST_F(CheckServerTest, SpeaksChinese) {
  for (const FlagRow& row : FlagTable()) EXPECT_NE(ChineseOf(row.verdict), row.verdict) << row.verdict;
  const ScopedVariable all("LC_ALL", std::nullopt);
  const ScopedVariable messages("LC_MESSAGES", std::nullopt);
  const ScopedVariable language("LANG", "zh_CN.UTF-8");
  const ProgramResult right = CheckVllm(Made({"--engine", "vllm", "--tp", "2"}), {});
  EXPECT_THAT(right.out,
              AllOf(HasSubstr("正常    引擎版本：vllm "), HasSubstr("检查项均未发现错误：vLLM 应能加载该目录。")))
      << right.err;
  const ProgramResult wrong = CheckVllm(Made({"--engine", "vllm", "--tp", "2"}), {"-pp", "2"});
  EXPECT_THAT(wrong.out,
              HasSubstr("错误    --pipeline-parallel-size：为 '2'，应为 1：文件中是一个 rank 的所有层；处理方法：给出 "
                        "--pipeline-parallel-size 1"));
}

}  // namespace
}  // namespace shardfs
