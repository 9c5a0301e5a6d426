// How findings are put together, and what several commands say.
#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

constexpr CatalogueEntry kEntries[] = {
    {"ok     ", "正常   "},
    {"advice ", "建议   "},
    {"WRONG  ", "错误   "},
    {"{} {}: {}", "{} {}：{}"},
    {"{}; do: {}", "{}；处理方法：{}"},
    {"nothing is wrong", "未发现错误"},
    {"1 thing is wrong", "发现 1 处错误"},
    {"{} things are wrong", "发现 {} 处错误"},
    {"{}, and 1 is advised", "{}，另有 1 条建议"},
    {"{}, and {} are advised", "{}，另有 {} 条建议"},
    {", ", "、"},
    {"{} {}", "{} {}"},
    {"{} {} {}", "{} {} {}"},
    {"{}: {}", "{}：{}"},
    {"Nothing that was checked is wrong: {} should load this directory.", "检查项均未发现错误：{} 应能加载该目录。"},
    {"1 thing is wrong: {} will not load this directory, or not as it should.",
     "发现 1 处错误：{} 无法加载该目录，或加载结果不正确。"},
    {"{} things are wrong: {} will not load this directory, or not as it should.",
     "发现 {} 处错误：{} 无法加载该目录，或加载结果不正确。"},

    // A mounted view (service/view_status.h).
    {"ask as the owner of its files, as root, or mount it with other modes",
     "请以文件属主或 root 身份查询，或换用其他权限位重新挂载"},
    {"ask as root, who has mounted it, or mount it with --allow-other and modes that let this user in",
     "该目录由 root 挂载，请以 root 身份查询，或使用 --allow-other 并放开权限位后重新挂载"},
    {"only the user who has mounted it may look: run `sudo -u \"#{}\" shardfs status {}`, or mount it with "
     "--allow-other",
     "只有挂载者可以查看：请执行 `sudo -u \"#{}\" shardfs status {}`，或使用 --allow-other 重新挂载"},
    {"{} is dead: its daemon has ended without unmounting", "{} 已失效：守护进程已退出，但未卸载"},
    {"take it away with `shardfs umount {}` and mount it again; its log (`journalctl -t shardfs`, or --log-file) says "
     "why "
     "it ended, or nothing where the kernel killed it, as for want of memory; `journalctl -k` and `dmesg` say that",
     "执行 `shardfs umount {}` 卸载后重新挂载；退出原因见其日志（`journalctl -t shardfs` 或 --log-file "
     "的文件）；若被内核杀死（例如内存不足），日志中没有记录，请看 `journalctl -k` 或 `dmesg`"},
    {"cannot read the status of {}: {}", "无法读取 {} 的状态：{}"},
    {"its view has a .shardfs of its own, or another version of shardfs serves it",
     "该视图自带 .shardfs 目录，或由其他版本的 shardfs 提供服务"},
    {"{} does not answer: its daemon has not for {} seconds", "{} 无响应：守护进程已 {} 秒未应答"},
    {"look whether it is stopped, or waits for storage that hangs; `shardfs umount --lazy {}` takes it away",
     "请确认守护进程是否被暂停，或正在等待挂死的存储；`shardfs umount --lazy {}` 可将其卸载"},
};

}  // namespace

std::span<const CatalogueEntry> CommonCatalogue() { return kEntries; }

}  // namespace shardfs
