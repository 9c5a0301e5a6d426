// Messages about options, ranks and nodes, and the choice of a reader and a layout.
#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

constexpr CatalogueEntry kEntries[] = {
    {"the {} layout has no {}{}; {}{}{} {}", "{0} 布局没有 {1}{2}；有它的是 {3}{4}{5}{6:.0}"},
    {" and ", "、"},
    {"there is no option {}{}{}", "没有选项 {}{}{}"},
    {"; `shardfs layouts` lists the options of each layout", "；各布局的选项见 `shardfs layouts`"},
    {" ({})", "（{}）"},
    {"{} is {}, and {}", "{} 为 {}，{}"},
    {"must be a whole number of at least 1, or -1 for the default", "必须是不小于 1 的整数，或 -1（默认值）"},
    {"must be a whole number of at least 1", "必须是不小于 1 的整数"},
    {"{} is empty; write a value or leave it out", "{} 为空；请写出值，或去掉它"},
    {"must be {}", "必须是 {}"},
    {"{} is given twice, as {} and as {}; give it once", "{} 给出了两次：{} 和 {}；请只给出一次"},
    {"'{}' is no size; write a whole number above 0 and a unit, as in 10GB (KB, MB, GB, TB, KiB, MiB, GiB, TiB, or "
     "none for bytes)",
     "'{}' 不是大小；请写出大于 0 的整数和单位，例如 10GB（KB、MB、GB、TB、KiB、MiB、GiB、TiB，不写单位即字节）"},
    {"order {} has '{}', no axis", "order {} 中的 '{}' 不是轴"},
    {"order {} has {} twice", "order {} 中 {} 出现两次"},
    {"order {} lacks {}, whose size is {}", "order {} 中缺少 {}，而其大小为 {}"},
    {"{} nodes do not divide the world size of {}; give --nnodes a divisor of it",
     "{} 个节点不能整除 world size {}；请用 --nnodes 给出它的约数"},
    {"there is no node {} among {} nodes; --node-rank counts from 0 to {}",
     "{1} 个节点中没有节点 {0}；--node-rank 从 0 到 {2}"},
    {"\"{}\" is not a list of ranks; write it like 0-7 or 0,2,8-15",
     "\"{}\" 不是 rank 列表；请写成 0-7 或 0,2,8-15 的形式"},
    {"rank {} of \"{}\" is not below the world size {}", "\"{1}\" 的 rank {0} 不小于 world size {2}"},
    {"rank table {} is no JSON object", "rank table {} 不是 JSON 对象"},
    {"rank table {} has no \"server_count\"", "rank table {} 中没有 \"server_count\""},
    {"\"server_count\" of rank table {} is \"{}\", not a positive number",
     "rank table {} 的 \"server_count\" 为 \"{}\"，不是正数"},
    {"\"server_list\" of rank table {} is not an array", "rank table {} 的 \"server_list\" 不是数组"},
    {"rank table {} has \"server_count\" {} but {} entries in \"server_list\"",
     "rank table {} 的 \"server_count\" 为 {}，而 \"server_list\" 有 {} 项"},
    {"rank table {}", "rank table {}"},
    {"rank table {} gives this machine's {} devices the ranks {} to {}, which are no equal, consecutive share; give "
     "--ranks",
     "rank table {} 给本机 {} 个设备的 rank 为 {} 至 {}，不是均等且连续的一份；请给出 --ranks"},
    {"rank table {} has this machine twice, as server {} and {}; give --node-rank a number",
     "rank table {} 中本机出现两次，即 server {} 和 {}；请给出 --node-rank 的数值"},
    {"rank table {} has no server with a name or address of this machine ({}); give --node-rank a number",
     "rank table {} 中没有本机名称或地址（{}）的 server；请给出 --node-rank 的数值"},
    {"the rank table", "rank table"},
    {"{} looks like {} ({}) and like {} ({}); say which with --from",
     "{} 既像 {}（{}），又像 {}（{}）；请用 --from 说明"},
    {"there is no reader {}; there is {}", "没有读取器 {}；有 {}"},
    {"{} is read as {}, but looks like {} ({}); leave --from out", "{} 按 {} 读取，但看起来是 {}（{}）；请去掉 --from"},
    {"there is no layout {}; there is {}", "没有布局 {}；有 {}"},
    {"{} is read by {}, whose checkpoints have no default layout; say how to show it with --layout: {}",
     "{} 由 {} 读取，这类权重没有默认布局；请用 --layout 说明如何显示：{}"},
    {"config.json has {}, for which no layout is the default; say how to show {} with --layout: {}",
     "config.json 中{}，没有对应的默认布局；请用 --layout 说明如何显示 {}：{}"},
    {"no \"model_type\"", "没有 \"model_type\""},
    {"must be an object of names and values", "必须是由名称和值组成的对象"},
    {"is empty; write a name or leave it out", "为空；请写出名称，或去掉它"},
    {"is given twice; '-' and '_' are one spelling", "给出了两次；'-' 与 '_' 视为同一写法"},
    {"must be a string, a number, true or false, or a list of these",
     "必须是字符串、数字、true 或 false，或由它们组成的列表"},
    {"{} must hold a JSON object", "{} 中必须是 JSON 对象"},
    {"the configuration file", "配置文件"},
    {"{} is {}, and must be {}", "{} 为 {}，必须是 {}"},
    {"an integer: 0 for no, 1 for yes", "整数：0 表示否，1 表示是"},
    {"no reader has an option {}; `shardfs layouts reader` lists those that readers have",
     "没有读取器有选项 {}；读取器的选项见 `shardfs layouts reader`"},
    {"the environment's {} is '{}', and must be a whole number; give --node-rank and --nnodes yourself",
     "环境变量 {} 为 '{}'，必须是整数；请自行给出 --node-rank 和 --nnodes"},
    {"--node-rank auto finds none of NODE_RANK, GROUP_RANK, SLURM_NODEID and RANK_TABLE_FILE in the environment; "
     "give --node-rank a number, or start this with srun or torchrun",
     "环境变量中没有 NODE_RANK、GROUP_RANK、SLURM_NODEID 和 RANK_TABLE_FILE，--node-rank auto 无法确定；请给出 "
     "--node-rank 的数值，或用 srun 或 torchrun 启动"},
    {"{} holds a run of materialize that has not come to its end; run the same command again, and verify then",
     "{} 是尚未完成的 materialize；请重新执行同一命令，然后再校验"},
    {"{} is a full checkpoint (it has {}), and DIR is a sharded directory: the output of weight_sharder or "
     "materialize, or a mount; write `shardfs verify {} DIR`",
     "{} 是完整权重（含有 {}），而 DIR 应为切分后的目录：weight_sharder 或 materialize 的输出，或挂载点；请写 `"
     "shardfs verify {} DIR`"},
    // ---- the command line ----
    {"shardfs {} takes no further argument, and is given '{}'; an option's value stands right behind it",
     "shardfs {} 不再接受更多参数，而给出了 '{}'；选项的值紧跟在选项之后"},
    {"{} needs a value right behind it", "{} 之后需要紧跟一个值"},
    {"{} is given more than once; give it once, with the value that you mean", "{} 给出了多次；请只给出一次需要的值"},
    {"{} needs a value right behind it, and {} stands there", "{} 之后需要紧跟一个值，而该处是 {}"},
    {"{} takes no value, and is given '{}'; write {} alone", "{} 不带值，而给出了 '{}'；请只写 {}"},
    {"{}: its value is empty; give one, or leave the option out", "{}：其值为空；请给出值，或去掉该选项"},
    {"{}: is empty; give a path", "{}：为空；请给出路径"},
    {"shardfs {} has no option {}{}", "shardfs {} 没有选项 {}{}"},
    {"; `shardfs {} --help` lists those that it has", "；可用的选项见 `shardfs {} --help`"},
    {"; {} has it", "；有它的是 {}"},
    {"; {} have it", "；有它的是 {}"},
    {"{} (see shardfs {} --help)", "{}（见 shardfs {} --help）"},
    {"'{}' is no whole number", "'{}' 不是整数"},
    {"{} is too large", "{} 过大"},
    {"{} is required", "需要 {}"},
    {"{} is missing", "缺少 {}"},
    {"The following argument was not expected: {}", "多余的参数：{}"},
    {"there is no {} '{}' on this machine; give a {}'s name or number", "本机没有{} '{}'；请给出{}的名称或编号"},
    {"{}: wants NAME=VALUE, and got '{}'", "{}：需要 NAME=VALUE，而给出了 '{}'"},
    {"{}: contradicts {}; give one of them", "{}：与 {} 矛盾；只能给出其中之一"},
};

}  // namespace

std::span<const CatalogueEntry> OptionMessages() { return kEntries; }

}  // namespace shardfs
