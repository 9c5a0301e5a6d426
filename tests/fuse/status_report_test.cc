#include "fuse/status_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "fuse/filesystem.h"
#include "fuse/prometheus_parser.h"
#include "fuse/sample_tree.h"
#include "fuse/watched_source.h"
#include "tensor/memory_source.h"
#include "view/tree_sources.h"

namespace shardfs {
namespace {

using Json = nlohmann::json;

// A mount that has done a little of everything.
void Show(std::shared_ptr<const VirtualTree> tree, Filesystem& filesystem) {
  filesystem.watch = std::make_shared<SourceWatch>(WatchedSources{SourcesOf(*tree), {}, tree, {}});
  filesystem.tree = std::move(tree);
}

std::unique_ptr<Filesystem> BusyFilesystem() {
  auto filesystem = std::make_unique<Filesystem>();
  Show(SampleTree(), *filesystem);
  filesystem->description = {.source = "/models/a \"b\"\\c\nd",
                             .layout = "mindie",
                             .summary = "a layout",
                             .sizes = {{"dp", "2"}, {"moe_tp", "4"}},
                             .options = {{"mtp", "true"}}};
  filesystem->mount_point = "/mnt/\"r1\"";
  filesystem->max_threads = 7;
  filesystem->device_major = 4095;  // no such device, so its read-ahead is not to be found
  FuseCounters::Share& counters = filesystem->counters.mine();
  counters.of(FileKind::kTensors).reads = 3;
  counters.of(FileKind::kTensors).bytes = 3'000'000'000'000;
  counters.of(FileKind::kGenerated).reads = 1;
  counters.of(FileKind::kGenerated).bytes = 10;
  for (const std::uint64_t duration : {100'000u, 200'000u, 300'000u, 50'000'000u}) {
    counters.read_latency.Record(duration);
  }
  counters.open_files = 2;
  counters.reads_in_progress = 1;
  return filesystem;
}

TEST(StatusReportTest, HealthFollowsErrorsAndSources) {
  auto filesystem = BusyFilesystem();
  EXPECT_EQ(MakeStatusReport(*filesystem).health, MountHealth::kHealthy);
  filesystem->counters.CountError(ReadErrorCause::kIoError);
  EXPECT_EQ(MakeStatusReport(*filesystem).health, MountHealth::kDegraded);
  filesystem->counters.CountError(ReadErrorCause::kSourceChanged);
  EXPECT_EQ(MakeStatusReport(*filesystem).health, MountHealth::kSourceChanged);
}

// A probe must not find a view ill for what failed long ago; the counts keep it.
TEST(StatusReportTest, AFailedReadIsForgivenInTime) {
  using std::chrono::seconds;
  const auto now = FuseCounters::Clock::now();
  for (const auto& [cause, health] : {std::pair{ReadErrorCause::kIoError, MountHealth::kDegraded},
                                      std::pair{ReadErrorCause::kOutOfMemory, MountHealth::kDegraded},
                                      std::pair{ReadErrorCause::kOther, MountHealth::kDegraded},
                                      std::pair{ReadErrorCause::kSourceChanged, MountHealth::kSourceChanged}}) {
    auto filesystem = BusyFilesystem();
    filesystem->counters.CountError(cause, now);
    EXPECT_EQ(MakeStatusReport(*filesystem, now).health, health);
    EXPECT_EQ(MakeStatusReport(*filesystem, now + kFailureMemory).health, health);
    const StatusReport later = MakeStatusReport(*filesystem, now + kFailureMemory + seconds(1));
    EXPECT_EQ(later.health, MountHealth::kHealthy);
    EXPECT_EQ(Json::parse(ToJson(later))["errors"]["total"], 1);
    // Another failure begins anew.
    filesystem->counters.CountError(cause, now + kFailureMemory + seconds(2));
    EXPECT_EQ(MakeStatusReport(*filesystem, now + kFailureMemory + seconds(3)).health, health);
  }
}

// What is wrong with a source now shows for as long as it is wrong, whatever the time.
TEST(StatusReportTest, ASourceThatIsWrongIsNotForgiven) {
  const auto health_of = [](const Status& found) {
    std::vector<std::unique_ptr<WatchedSource>> sources;
    sources.push_back(std::make_unique<WatchedSource>("a", 8, [found] { return found; }));
    Filesystem filesystem;
    Show(TreeOf(std::move(sources)), filesystem);
    return MakeStatusReport(filesystem, FuseCounters::Clock::now() + std::chrono::hours(24)).health;
  };
  EXPECT_EQ(health_of(Status::SourceChanged("'a' was truncated")), MountHealth::kSourceChanged);
  EXPECT_EQ(health_of(Status::IoError("stale")), MountHealth::kDegraded);
}

TEST(StatusReportTest, AChangeIsNoticedBeforeAnyRead) {
  std::vector<std::unique_ptr<WatchedSource>> sources;
  sources.push_back(std::make_unique<WatchedSource>("a", 8, [] { return Status::SourceChanged("'a' has changed"); }));
  Filesystem changed;
  Show(TreeOf(std::move(sources)), changed);
  const StatusReport report = MakeStatusReport(changed);
  EXPECT_EQ(report.health, MountHealth::kSourceChanged);
  const Json json = Json::parse(ToJson(report));
  EXPECT_EQ(json["health"], "source_changed");
  EXPECT_EQ(json["sources"]["changed"], Json::parse(R"([{"file": "a", "message": "'a' has changed"}])"));
  const PrometheusText metrics(ToPrometheus(report));
  EXPECT_EQ(metrics.error(), "");
  EXPECT_EQ(metrics["shardfs_source_changed_files"], 1);
  EXPECT_EQ(metrics["shardfs_health{state=\"source_changed\"}"], 1);
  EXPECT_EQ(metrics["shardfs_health{state=\"healthy\"}"], 0);
}

TEST(StatusReportTest, ASourceOutOfReachIsDegraded) {
  std::vector<std::unique_ptr<WatchedSource>> sources;
  sources.push_back(std::make_unique<WatchedSource>("a", 8, [] { return Status::IoError("stale"); }));
  Filesystem filesystem;
  Show(TreeOf(std::move(sources)), filesystem);
  EXPECT_EQ(MakeStatusReport(filesystem).health, MountHealth::kDegraded);
}

TEST(StatusReportTest, JsonHasEverything) {
  auto filesystem = BusyFilesystem();
  filesystem->counters.CountError(ReadErrorCause::kOutOfMemory);
  filesystem->last_error.Set("cannot read \xff");
  const std::string text = ToJson(MakeStatusReport(*filesystem));
  EXPECT_EQ(text.back(), '\n');
  const Json json = Json::parse(text);
  EXPECT_EQ(json["health"], "degraded");
  EXPECT_EQ(json["source"], filesystem->description.source);
  EXPECT_EQ(json["parallel"], Json::parse(R"({"dp": 2, "moe_tp": 4})"));
  EXPECT_EQ(json["options"]["mtp"], "true");
  EXPECT_EQ(json["version"], SHARDFS_VERSION);
  EXPECT_EQ(json["view"]["files"], filesystem->tree->file_count());
  EXPECT_EQ(json["reads"]["total"], 4);
  EXPECT_EQ(json["reads"]["bytes"], 3'000'000'000'010);
  EXPECT_EQ(json["reads"]["in_progress"], 1);
  EXPECT_EQ(json["reads"]["by_kind"]["tensors"], Json::parse(R"({"reads": 3, "bytes": 3000000000000})"));
  EXPECT_EQ(json["errors"]["total"], 1);
  EXPECT_EQ(json["errors"]["by_cause"]["out_of_memory"], 1);
  EXPECT_EQ(json["errors"]["last"]["message"], "cannot read \xef\xbf\xbd") << "bytes that are not UTF-8 are replaced";
  EXPECT_EQ(json["open_files"], 2);
  EXPECT_EQ(json["threads"], 7);
  EXPECT_TRUE(json["read_ahead_kib"].is_null());
  EXPECT_NEAR(json["read_latency_seconds"]["p50"].get<double>(), 2e-4, 2.5e-5);
  EXPECT_EQ(json["read_latency_seconds"]["max"].get<double>(), 0.05);
  EXPECT_EQ(json["sources"]["files"], 0);
  EXPECT_EQ(json["sources"]["rows_by"], "");
}

// A mapping that cannot be had, as under a limit of address space, is no error; it is to be seen.
TEST(StatusReportTest, SaysHowRowsAreRead) {
  const auto rows_by = [](const std::vector<bool>& mapped) {
    VirtualTreeBuilder builder;
    for (std::size_t i = 0; i < mapped.size(); ++i) {
      auto source = std::make_unique<testing::MemorySource>(std::vector<std::byte>(8), mapped[i]);
      const std::string name = "file-" + std::to_string(i);
      EXPECT_TRUE(builder.AddFile(name, RankSet::All(1), MakePassthroughFile(std::move(source))).ok());
    }
    Filesystem filesystem;
    Show(std::move(builder).Build(), filesystem);
    return Json::parse(ToJson(MakeStatusReport(filesystem)))["sources"]["rows_by"].get<std::string>();
  };
  EXPECT_EQ(rows_by({true, true}), "mapping");
  EXPECT_EQ(rows_by({false}), "pread");
  EXPECT_EQ(rows_by({false, true}), "both");
}

TEST(StatusReportTest, PrometheusTextIsWellFormedAndRight) {
  auto filesystem = BusyFilesystem();
  filesystem->counters.CountError(ReadErrorCause::kOther);
  StatusReport report = MakeStatusReport(*filesystem);
  report.read_ahead_kib = 4096;
  const PrometheusText metrics(ToPrometheus(report));
  ASSERT_EQ(metrics.error(), "");
  EXPECT_EQ(metrics["shardfs_build_info{version=\"" SHARDFS_VERSION "\"}"], 1);
  EXPECT_EQ(metrics["shardfs_mount_info{source=\"/models/a \\\"b\\\"\\\\c\\nd\",dp=\"2\",moe_tp=\"4\"}"], 1);
  EXPECT_EQ(metrics["shardfs_reads_total{kind=\"tensors\"}"], 3);
  EXPECT_EQ(metrics["shardfs_read_bytes_total{kind=\"tensors\"}"], 3e12);
  EXPECT_EQ(metrics["shardfs_read_bytes_total{kind=\"passthrough\"}"], 0);
  EXPECT_EQ(metrics["shardfs_read_errors_total{cause=\"other\"}"], 1);
  EXPECT_EQ(metrics["shardfs_read_errors_total{cause=\"io_error\"}"], 0);
  EXPECT_EQ(metrics.TypeOf("shardfs_read_duration_seconds"), "histogram");
  EXPECT_EQ(metrics["shardfs_read_duration_seconds_count"], 4);
  EXPECT_DOUBLE_EQ(metrics["shardfs_read_duration_seconds_sum"], 0.0506);
  EXPECT_EQ(metrics["shardfs_read_duration_seconds_bucket{le=\"0.00025\"}"], 2);
  EXPECT_EQ(metrics["shardfs_read_duration_seconds_bucket{le=\"0.0005\"}"], 3);
  EXPECT_EQ(metrics.base(), "mountpoint=\"/mnt/\\\"r1\\\"\",layout=\"mindie\"") << "of every sample";
  EXPECT_EQ(metrics["shardfs_up"], 1);
  EXPECT_GT(metrics["process_resident_memory_bytes"], 0);
  EXPECT_GT(metrics["process_open_fds"], 0);
  EXPECT_GE(metrics["process_max_fds"], metrics["process_open_fds"]);
  EXPECT_EQ(metrics["shardfs_open_files"], 2);
  EXPECT_EQ(metrics["shardfs_reads_in_progress"], 1);
  EXPECT_EQ(metrics["shardfs_read_ahead_bytes"], 4194304);
  EXPECT_EQ(metrics["shardfs_health{state=\"degraded\"}"], 1);
}

TEST(StatusReportTest, AnUnknownReadAheadIsLeftOut) {
  Filesystem filesystem;
  Show(SampleTree(), filesystem);
  filesystem.device_major = 4095;
  const PrometheusText metrics(ToPrometheus(MakeStatusReport(filesystem)));
  EXPECT_EQ(metrics.error(), "");
  EXPECT_FALSE(metrics.Has("shardfs_read_ahead_bytes"));
}

// The names of all families of a text, from its TYPE lines.
std::set<std::string> FamiliesOf(const std::string& text) {
  std::set<std::string> families;
  const std::regex type("# TYPE ([a-z_]+) ");
  for (std::sregex_iterator at(text.begin(), text.end(), type), end; at != end; ++at) families.insert((*at)[1]);
  return families;
}

std::set<std::string> NamesIn(const std::string& text) {
  std::set<std::string> names;
  const std::regex name("\\b(shardfs|process)_[a-z_]+");
  for (std::sregex_iterator at(text.begin(), text.end(), name), end; at != end; ++at) names.insert(at->str());
  return names;
}

std::string TextOf(const std::string& path) {
  std::ifstream file(SHARDFS_TESTS_DIR "/../" + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A mount whose read-ahead can be found, so that no family is missing.
StatusReport FullReport(Filesystem& filesystem) {
  StatusReport report = MakeStatusReport(filesystem);
  report.read_ahead_kib = 4096;
  return report;
}

TEST(StatusReportTest, TheTextfileHasAllButTheProcess) {
  auto filesystem = BusyFilesystem();
  const StatusReport report = FullReport(*filesystem);
  std::set<std::string> expected = FamiliesOf(ToPrometheus(report));
  std::erase_if(expected, [](const std::string& name) { return name.starts_with("process_"); });
  EXPECT_EQ(PrometheusText(ToTextfile(report)).error(), "");
  EXPECT_EQ(FamiliesOf(ToTextfile(report)), expected);
}

// Numbers as people write them, of few digits: no 1e-05, and no 0.00012207.
TEST(StatusReportTest, BoundsOfTheBucketsAreReadable) {
  const std::string text = ToPrometheus(MakeStatusReport(*BusyFilesystem()));
  const std::regex label("le=\"([^\"]*)\"");
  const std::regex readable("0\\.0*(1|25|5)|[1-9]0?|2\\.5|[+]Inf");
  std::size_t bounds = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), label), end; at != end; ++at, ++bounds) {
    EXPECT_TRUE(std::regex_match((*at)[1].str(), readable)) << (*at)[1];
  }
  EXPECT_GE(bounds, 15u);
}

// A counter ends in _total (PrometheusText refuses others), a count of files in _files, a time in _seconds and a size
// in _bytes, and what is none of these has none of these ends. The help says which of them a family is.
TEST(StatusReportTest, NamesSayTheirUnits) {
  auto filesystem = BusyFilesystem();
  const std::string text = ToPrometheus(FullReport(*filesystem));
  const std::regex family("# HELP ([^ ]+) ([^\n]+)\n# TYPE [^ ]+ (\\w+)\n");
  const std::vector<std::pair<std::regex, std::string>> ends = {
      {std::regex("^(Source files|Files) .*"), "_files"},
      {std::regex("^(When|How long|The longest|Processor time) .*"), "_seconds"},
      {std::regex("^(Bytes|The kernel's read-ahead window|Resident memory) .*"), "_bytes"}};
  std::map<std::string, std::size_t> counts;
  for (std::sregex_iterator at(text.begin(), text.end(), family), end; at != end; ++at) {
    std::string name = (*at)[1];
    const std::string help = (*at)[2];
    if ((*at)[3] == "counter" && name.ends_with("_total")) name.erase(name.size() - 6);
    EXPECT_TRUE(std::regex_match(name, std::regex("(shardfs|process)(_[a-z]+)+"))) << name;
    for (const auto& [telling, unit] : ends) {
      const bool is_of_it = std::regex_match(help, telling);
      EXPECT_EQ(name.ends_with(unit), is_of_it) << name << ": " << help;
      counts[unit] += is_of_it ? 1 : 0;
    }
  }
  EXPECT_EQ(counts, (std::map<std::string, std::size_t>{{"_files", 5}, {"_seconds", 4}, {"_bytes", 3}}));
}

// One node_exporter reads the files of both: a series of one view must not be that of another.
TEST(StatusReportTest, TwoViewsOfAHostHaveNoSeriesInCommon) {
  const auto series = [](const char* mount_point, const char* layout) {
    auto filesystem = BusyFilesystem();
    filesystem->mount_point = mount_point;
    filesystem->description.layout = layout;
    std::set<std::string> names;
    std::istringstream lines(ToPrometheus(FullReport(*filesystem)));
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('#')) names.insert(line.substr(0, line.rfind(' ')));
    }
    return names;
  };
  const std::set<std::string> first = series("/mnt/a", "mindie");
  const std::set<std::string> second = series("/mnt/b", "mindie");
  EXPECT_GT(first.size(), 50u);
  EXPECT_EQ(first.size(), second.size());
  for (const std::string& name : first) {
    EXPECT_FALSE(second.contains(name)) << name;
    EXPECT_NE(name.find("layout=\"mindie\""), std::string::npos) << name;
  }
}

TEST(StatusReportTest, TheManPageHasEveryFamily) {
  auto filesystem = BusyFilesystem();
  const std::string page = TextOf("src/cli/man/shardfs-status.1");
  const std::size_t begin = page.find(".SH METRICS");
  ASSERT_NE(begin, std::string::npos);
  EXPECT_EQ(NamesIn(page.substr(begin, page.find("\n.SH ", begin) - begin)),
            FamiliesOf(ToPrometheus(FullReport(*filesystem))));
}

TEST(StatusReportTest, TheAlertsAskForWhatThereIs) {
  auto filesystem = BusyFilesystem();
  const std::set<std::string> families = FamiliesOf(ToPrometheus(FullReport(*filesystem)));
  for (const char* name : {"shardfs.rules.yaml", "prometheus-rule.yaml"}) {
    const std::string rules = TextOf(std::string("mount-scripts/monitoring/") + name);
    std::size_t asked = 0;
    const std::regex expression("expr: (\\|\n( {10,}[^\n]*\n)+|[^\n]*)");
    for (std::sregex_iterator at(rules.begin(), rules.end(), expression), end; at != end; ++at) {
      for (const std::string& metric : NamesIn(at->str())) {
        EXPECT_TRUE(families.contains(metric)) << metric;
        ++asked;
      }
    }
    EXPECT_GE(asked, 4u) << name;
  }
}

}  // namespace
}  // namespace shardfs
