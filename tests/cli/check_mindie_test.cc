#include "layout/mindie/check/check_mindie.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "cli/environment.h"
#include "cli/mindie_files.h"
#include "cli/run_shardfs.h"
#include "cli/verify_fixture.h"

namespace shardfs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

// A copy of what the reference wrote for dp 2, tp 2, moe_tp 2, moe_ep 2, and configurations that load it.
class CheckMindieTest : public VerifyFixture {
 protected:
  ProgramResult Check(const json& model, const std::vector<std::string>& more = {}, const std::string& directory = "",
                      const std::string& user = "0") {
    WriteFile(root_ / "server.json", MindieServerJson(directory.empty() ? out_ : directory, model).dump());
    std::vector<std::string> arguments = {"check-mindie", root_ / "server.json", directory.empty() ? out_ : directory,
                                          "--uid", user};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunShardfs(arguments);
  }

  // The check fails, and one of its lines holds all of `parts`.
  void ExpectWrong(const ProgramResult& result, const std::vector<std::string>& parts) {
    EXPECT_EQ(result.exit_code, 1) << result.out << result.err;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("WRONG ")) continue;
      bool all = line.find("; do: ") != std::string::npos;
      for (const std::string& part : parts) all = all && line.find(part) != std::string::npos;
      if (all) return;
    }
    ADD_FAILURE() << "no line with " << ::testing::PrintToString(parts) << " in\n" << result.out << result.err;
  }

  const json fitting_ = {{"dp", 2}, {"tp", 2}, {"moe_tp", 2}, {"moe_ep", 2}};
};

TEST_F(CheckMindieTest, TheReferencesDirectoryLoads) {
  const ProgramResult result = Check(fitting_);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_EQ(result.out.find("WRONG"), std::string::npos) << result.out;
  EXPECT_THAT(result.out, AllOf(HasSubstr("ok      recorded sizes"), HasSubstr("ok      folders"),
                                HasSubstr("ok      weights"), HasSubstr("ok      owners and modes")));
  json mtp = fitting_;
  mtp["plugin_params"] = {{"plugin_type", "mtp"}, {"num_speculative_tokens", 1}};
  EXPECT_EQ(Check(mtp).exit_code, 0) << "it has the MTP layer";
}

// Every line is Chinese where LANG asks for it; what a layer below says of a file is quoted as it is.
TEST_F(CheckMindieTest, SpeaksChinese) {
  const ProgramResult english = Check(fitting_, {"--json"});
  const ScopedVariable all("LC_ALL", "zh_CN.UTF-8");
  const ProgramResult right = Check(fitting_);
  EXPECT_EQ(right.exit_code, 0);
  EXPECT_THAT(right.out, AllOf(HasSubstr("正常    已记录的切分参数：worldSize 4"), HasSubstr("正常    子目录："),
                               HasSubstr("正常    属主与权限位：MindIE（uid 0）可以接受"),
                               HasSubstr("检查项均未发现错误：MindIE 应能加载该目录。\n")));
  EXPECT_EQ(right.out.find("ok "), std::string::npos);
  json other = fitting_;
  other["tp"] = 1;
  other["dp"] = 4;
  const ProgramResult wrong = Check(other);
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_THAT(wrong.out,
              AllOf(HasSubstr("错误    tp：目录按 tp 2 切分，而 MindIE 将以 tp 1 运行；处理方法：在 MindIE 配置中将 tp "
                              "设为 2，或使用 --mindie-config 重新挂载或重新写入该目录"),
                    HasSubstr("静默加载")));
  EXPECT_EQ(Check(fitting_, {"--json"}).out, english.out) << "--json is for programs";
}

TEST_F(CheckMindieTest, JsonSaysTheSame) {
  const json report = json::parse(Check(fitting_, {"--json"}).out);
  EXPECT_EQ(report["ok"], true);
  EXPECT_GT(report["findings"].size(), 5u);
}

TEST_F(CheckMindieTest, OtherSizesAreFoundByRecordNamesAndTensors) {
  const ProgramResult result = Check({{"dp", 1}, {"tp", 4}, {"moe_tp", 4}, {"moe_ep", 1}});
  ExpectWrong(result, {"tp: ", "made with tp 2", "run with tp 4"});
  ExpectWrong(result, {"moe_ep", "made with moe_ep 2", "moe_ep 1"});
  ExpectWrong(result, {"folders", "missing", "model-attn-tp-002"});
  ExpectWrong(result, {"folders", "no rank loads", "model-moe-tp-000-ep-001"});
  ExpectWrong(Check({{"dp", 4}, {"tp", 4}}), {"configuration", "4", "16"});
}

TEST_F(CheckMindieTest, ARecordThatLiesIsFoundByTensors) {
  // All folders of tp 2 are there, and hold slices of tp 4 as far as names go.
  const std::string wide = root_ / "wide";
  ASSERT_EQ(RunShardfs({"materialize", GoldenCase() + "/source", wide, "--dp", "1", "--tp", "4", "--moe-tp", "2",
                        "--moe-ep", "2", "--mtp", "-O", "fidelity=loader"})
                .exit_code,
            0);
  for (const char* name : {"model-attn-tp-002", "model-attn-tp-003", "model-dense-tp-002", "model-dense-tp-003"}) {
    fs::remove_all(fs::path(wide) / name);
  }
  fs::copy_file(out_ + "/model_sharded_metadata.json", wide + "/model_sharded_metadata.json",
                fs::copy_options::overwrite_existing);
  const ProgramResult result = Check(fitting_, {}, wide);
  ExpectWrong(result, {"attention", "heads", "tp 2"});
  ExpectWrong(result, {"embedding", "columns", "tp 2"});
  ExpectWrong(result, {"dense MLP"});
  EXPECT_THAT(result.out, HasSubstr("ok      recorded sizes"));
}

TEST_F(CheckMindieTest, EachThingThatIsBrokenIsNamed) {
  ExpectWrong(Check({{"dp", 2}, {"tp", 2}, {"moe_tp", 2}, {"moe_ep", 2}, {"modelWeightPath", "/mnt/elsewhere"}}),
              {"modelWeightPath", "/mnt/elsewhere", out_});
  // What is to be written is a whole path, however the directory was typed.
  ExpectWrong(Check({{"dp", 2}, {"tp", 2}, {"moe_tp", 2}, {"moe_ep", 2}, {"modelWeightPath", "/mnt/elsewhere"}}, {},
                    fs::relative(out_).string()),
              {"modelWeightPath", "/mnt/elsewhere", "set modelWeightPath to '" + out_ + "'"});

  fs::remove(At("model-norm/model.safetensors"));
  ExpectWrong(Check(fitting_), {"folders", "model-norm"});
  fs::copy_file(GoldenCase() + "/expected/model-norm/model.safetensors", At("model-norm/model.safetensors"));

  fs::copy_file(At("model-norm/model.safetensors"), At("model-003/more.safetensors"));
  ExpectWrong(Check(fitting_), {"weights", "in two of its folders"});
  fs::remove(At("model-003/more.safetensors"));

  WriteFile(At("model-003/broken.safetensors"), "not a header");
  ExpectWrong(Check(fitting_), {"weights", "model-003", "broken.safetensors"});
  fs::remove(At("model-003/broken.safetensors"));

  ASSERT_EQ(::chmod(At("model-001").c_str(), 0777), 0);
  ExpectWrong(Check(fitting_), {"owners and modes", "model-001", "0777"});
  ASSERT_EQ(::chmod(At("model-001").c_str(), 0755), 0);

  fs::rename(At("model_sharded_metadata.json"), At("metadata.json"));
  ExpectWrong(Check(fitting_), {"metadata", "full checkpoint"});
  WriteFile(At("model_sharded_metadata.json"), "");
  const ProgramResult empty = Check(fitting_);
  EXPECT_EQ(empty.exit_code, 0) << "MindIE does not look into it either\n" << empty.out;
  EXPECT_THAT(empty.out, HasSubstr("advice  metadata"));
}

TEST_F(CheckMindieTest, OwnersAndModesOfTheUserCount) {
  struct stat attributes {};
  ASSERT_EQ(::stat(out_.c_str(), &attributes), 0);
  const std::string other = std::to_string(attributes.st_uid + 4711);
  ExpectWrong(Check(fitting_, {}, "", other), {"owners and modes", other});
}

TEST_F(CheckMindieTest, ANodesShareIsEnoughForTheNode) {
  for (const char* name : {"model-002", "model-003", "model-moe-tp-000-ep-001", "model-moe-tp-001-ep-001"}) {
    fs::remove_all(At(name));
  }
  ExpectWrong(Check(fitting_), {"folders", "4 of them are missing", "--node-rank"});
  EXPECT_EQ(Check(fitting_, {"--node-rank", "0", "--nnodes", "2"}).exit_code, 0);
  EXPECT_EQ(Check(fitting_, {"--ranks", "0-1"}).exit_code, 0);
}

TEST_F(CheckMindieTest, WhatTheLoaderWouldRotateAgainIsWrong) {
  const json rotating = {{"dp", 1}, {"tp", 4}, {"moe_tp", 2}, {"moe_ep", 2}};
  const std::string pad = SHARDFS_TESTS_DIR "/golden/mindie/bf16_pad_dp1tp4_mtp2ep2";
  ExpectWrong(Check(rotating, {}, pad + "/expected"), {"router", "fidelity=loader"});
  const std::string shown = root_ / "loader";
  ASSERT_EQ(RunShardfs({"materialize", pad + "/source", shown, "--tp", "4", "--moe-tp", "2", "--moe-ep", "2", "--mtp",
                        "-O", "fidelity=loader"})
                .exit_code,
            0);
  const ProgramResult result = Check(rotating, {}, shown);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("ok      variant"));
}

TEST_F(CheckMindieTest, QuantisedDirectoriesLoad) {
  for (const char* name : {"w4a8_group_dp2tp2_mtp2ep2", "w8a8_qmtp_dp2tp2_mtp2ep2", "mix_dp2tp2_mtp2ep2"}) {
    const std::string directory = std::string(SHARDFS_TESTS_DIR "/golden/mindie/") + name + "/expected";
    const ProgramResult result = Check(fitting_, {}, directory);
    EXPECT_EQ(result.exit_code, 0) << name << "\n" << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("ok      description")) << name;
  }
}

TEST_F(CheckMindieTest, CommandLinesThatMakeNoSense) {
  EXPECT_EQ(RunShardfs({"check-mindie", root_ / "missing.json", out_}).exit_code, 2);
  const ProgramResult nowhere = Check(fitting_, {}, root_ / "nowhere");
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_THAT(nowhere.err, HasSubstr("no directory"));
}

TEST_F(CheckMindieTest, DoesNotWaitForAFifo) {
  const auto replace = [](const std::string& path) {
    fs::remove(path);
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  };
  replace(out_ + "/model_sharded_metadata.json");
  const ProgramResult metadata = Check(fitting_);
  EXPECT_THAT(metadata.out, HasSubstr("model_sharded_metadata.json: it is not a regular file"));
  replace(out_ + "/config.json");
  ExpectWrong(Check(fitting_), {"config.json", "not a regular file"});
  replace(root_ / "fifo");
  const ProgramResult server = RunShardfs({"check-mindie", root_ / "fifo", out_});
  EXPECT_EQ(server.exit_code, 2);
  EXPECT_THAT(server.err, HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace shardfs
