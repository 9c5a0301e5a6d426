// shardfs doctor: checks the machine, and says what to type where it is not ready.
#include "doctor/doctor.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "cli/commands.h"
#include "cli/options.h"
#include "console/message_text.h"
#include "console/output.h"
#include "layout/mindie/check/probe_backend.h"
#include "layout/mindie/config/server_limits.h"
#include "report/plan_report.h"
#include "service/describe_mount.h"
#include "service/view_status.h"
#include "shardfs/layout/registry.h"

namespace shardfs {
namespace {

struct DoctorArguments {
  ViewRequest view;
  std::string mount_point;
  std::optional<std::uint32_t> nodes;
  uid_t engine_user = ::geteuid();
  bool json = false;
};

void Describe(const Checkpoint& checkpoint, DoctorTask& task) {
  task.source_files = checkpoint.sources().files().size();
  task.source_bytes = checkpoint.stored_bytes();
}

// Whether a view is there whose daemon hangs, so that looking at the mountpoint would, too.
bool Hangs(const std::string& mount_point) {
  const auto mount = FindMount(mount_point);
  return mount.ok() && *mount && (*mount)->type == kShardfsType &&
         AskView(mount_point).answer == ViewStatus::Answer::kSilent;
}

// What materialize makes for a node: files, directories, and its own files beside them.
std::uint64_t InodesOf(const VirtualTree& tree, const PlanNode& node) {
  constexpr std::uint64_t kOwnFiles = 3;  // .shardfs-journal, .shardfs-manifest.json and .shardfs-complete
  const auto& nodes = tree.nodes();
  return node.files + kOwnFiles +
         static_cast<std::uint64_t>(std::count_if(nodes.begin(), nodes.end(), [&](const VirtualNode& one) {
           return one.is_directory() && one.ranks.Intersects(node.ranks);
         }));
}

// A message ends with what to do where there is one thing to do.
Finding WrongPlan(const Status& status) {
  RefusalText refusal = RefusalOf(status);
  if (refusal.remedy.empty()) refusal.remedy = Tr("give a complete checkpoint as SOURCE, and sizes that divide it");
  return Wrong(Tr("plan"), refusal.problem, refusal.remedy);
}

// Whether the request says enough for a plan: a count, such as a parallel size, or a file or a layout that has them.
bool SaysSizes(const ViewRequest& request) {
  if (!request.layout.empty() || !request.config_file.empty()) return true;
  const std::vector<OptionTaker> takers = AllTakers();
  const std::vector<const OptionSpec*> specs = SpecsOf(takers);
  return std::any_of(specs.begin(), specs.end(), [&request](const OptionSpec* spec) {
    return (spec->kind == OptionKind::kCount || spec->kind == OptionKind::kFile) && !request.Given(spec->name).empty();
  });
}

// What the source says, with a plan where sizes are given.
Finding ExamineSource(const DoctorArguments& arguments, DoctorTask& task) {
  ViewRequest request = arguments.view;
  request.place.path = arguments.mount_point;
  // MindIE's configuration names a directory, which is compared with the mountpoint.
  if (!request.Given("mindie_config").empty() && Hangs(task.mount_point)) request.place.path.clear();
  if (!SaysSizes(request)) {
    const auto checkpoint = OpenCheckpoint(request);
    if (!checkpoint.ok()) return WrongPlan(checkpoint.status());
    Describe(**checkpoint, task);
    for (const std::string& warning : RefusalWarnings(**checkpoint)) WarnInLanguage(warning);
    return Advice(Tr("plan"), Tr("the parallel sizes are not given, so what a node needs is not known"),
                  Tr("give --mindie-config FILE, or --dp, --tp, --moe-tp and --moe-ep"));
  }
  const auto view = BuildViewInLanguage(request);
  if (!view.ok()) return WrongPlan(view.status());
  Describe(*view->checkpoint, task);
  task.layout = view->layout;
  const std::uint32_t nodes = arguments.nodes.value_or(std::max(view->view.nodes, 1u));
  const auto report = MakePlanReport(*view, nodes, false);
  if (!report.ok()) return Wrong(Tr("plan"), TextOf(report.status()), Tr("give another --nnodes"));
  task.node_bytes = 0;
  for (const PlanNode& node : report->nodes) {
    task.node_bytes = std::max(*task.node_bytes, node.bytes);
    task.node_inodes = std::max(task.node_inodes, InodesOf(*view->view.tree, node));
  }
  task.view = DescribeMount(*view, {});
  return Ok(Tr("plan"), TextOfMessage(view->view.summary));
}

// A lone path on which a view is mounted is asked about as the mountpoint: a dead one could not be opened as SOURCE.
// With sizes, a view that answers is a SOURCE like any other, which they are to cut.
void TakeViewAsMountPoint(DoctorArguments& arguments) {
  if (arguments.view.source.empty() || !arguments.mount_point.empty()) return;
  const auto path = CanonicalMountPath(arguments.view.source);
  if (!path.ok()) return;
  const auto mount = FindMount(*path);
  if (!mount.ok() || !*mount || (*mount)->type != kShardfsType) return;
  if (SaysSizes(arguments.view) && AskView(*path).answer == ViewStatus::Answer::kGiven) return;
  std::swap(arguments.view.source, arguments.mount_point);
}

int RunDoctor(DoctorArguments arguments) {
  TakeViewAsMountPoint(arguments);
  DoctorTask task;
  task.source = arguments.view.source;
  task.layout = arguments.view.layout;
  task.engine_user = arguments.engine_user;
  if (!arguments.mount_point.empty()) {
    const auto canonical = CanonicalMountPath(arguments.mount_point);
    std::error_code error;
    task.mount_point = canonical.ok() ? *canonical : std::filesystem::absolute(arguments.mount_point, error).string();
  }
  std::optional<Finding> plan;
  if (!task.source.empty()) plan = ExamineSource(arguments, task);
  std::vector<Finding> findings = Examine(DoctorSystem(), task);
  if (auto backend = ProbeMindieBackendOf(arguments.view.Given("mindie_config"), task.mount_point)) {
    findings.push_back(std::move(*backend));
  }
  if (plan) findings.push_back(std::move(*plan));
  return ReportFindings(findings, arguments.json);
}

}  // namespace

Command AddDoctorCommand(CLI::App& program) {
  CLI::App* app = program.add_subcommand("doctor", "Check this machine, and say what to type where it is not ready");
  const auto arguments = std::make_shared<DoctorArguments>();
  AddViewOptions(*app, arguments->view);
  app->get_option("SOURCE")->required(false);
  app->add_option("MOUNTPOINT", arguments->mount_point, "Where to mount, or a place in tmpfs to materialize into");
  app->add_option("--nnodes", arguments->nodes, "Servers among which the ranks are shared (default: the rank table's)")
      ->type_name("M");
  app->add_option("--uid", arguments->engine_user, "User that the engine runs as (default: the user who runs this)")
      ->type_name("USER");
  app->add_flag("--json", arguments->json, "Print the result as JSON");
  return {app, [arguments] { return RunDoctor(*arguments); }};
}

}  // namespace shardfs
