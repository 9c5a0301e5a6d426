// The sentences of shardfs check-vllm and check-sglang.
#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

constexpr CatalogueEntry kEntries[] = {
    {"show or write the directory again for this server with --layout sharded-state",
     "使用 --layout sharded-state 为该服务重新挂载或重新写入该目录"},

    // The engine and its release.
    {"engine version", "引擎版本"},
    {"{}, or {} {}", "{}，或 {} {}"},
    {"{} to {}", "{} 至 {}"},
    {"{} (before {})", "{}（{} 之前）"},
    {"{} (assumed; --engine-version names another)", "{}（推定；可用 --engine-version 指定）"},
    {"no release that is known has these tensors with {} ranks", "已知版本在 {} 个 rank 下均没有这些张量"},
    {"{} has the names of the directory", "{} 的张量名与该目录一致"},
    {"the directory is for {}, and the server is {}", "目录适用于 {}，而服务是 {}"},
    {"take a release that has the model", "请使用支持该模型的版本"},
    {"load the checkpoint in the ordinary way; this directory cannot be right",
     "请按普通方式加载权重；该目录不可能正确"},

    // Flags.
    {"not given, which is 1", "未给出，即 1"},
    {"it is {}, and must be {}", "为 {}，应为 {}"},
    {"give {} {}", "给出 {} {}"},
    {"it is given", "已给出"},
    {"it is not given", "未给出"},
    {"it is not set", "未设置"},
    {"add {}", "添加 {}"},
    {"leave {} out", "去掉 {}"},
    {"it is {}", "为 {}"},
    {"it is {}, and the directory is {}", "为 {}，而目录为 {}"},
    {"give --dtype {}", "给出 --dtype {}"},
    {"add --load-format sharded_state", "添加 --load-format sharded_state"},
    {"add --moe-runner-backend triton", "添加 --moe-runner-backend triton"},
    {"set VLLM_MLA_DISABLE=1, or take vLLM 0.9.1 or later", "设置 VLLM_MLA_DISABLE=1，或使用 vLLM 0.9.1 及以上版本"},
    {"the directory holds a map of experts, and a server of one rank has none",
     "目录中含有专家映射，而单 rank 的服务没有"},

    // The model's path and the files.
    {"model", "模型"},
    {"{} is no path: the loader takes a local directory", "{} 不是路径：加载器只接受本地目录"},
    {"give the server {}", "请让服务加载 {}"},
    {"the server loads {}, and {} is checked", "服务加载的是 {}，而校验目录是 {}"},
    {"make sure that both are the same directory, seen from inside and outside a container",
     "请确认二者是同一目录在容器内外的不同路径"},
    {"files", "文件"},
    {"give sizes that the model has", "请给出模型支持的并行参数"},
    {"there are no files of rank {}", "没有 rank {} 的文件"},
    {"{} tensors of each of {} ranks, as the server has them", "每个 rank {} 个张量，共 {} 个 rank，与服务一致"},
    {"rank {} has no {}", "rank {} 缺少 {}"},
    {"rank {} has {} as {} {}, and the server makes it {} {}", "rank {} 的 {} 为 {} {}，而服务需要 {} {}"},
    {"rank {} has {}, which the server does not know", "rank {} 含有服务不识别的 {}"},

    // What a wrong value of a flag does (flag_table.cc).
    {"the server looks for ordinary weights and does not read these files", "服务会查找普通权重，不读取这些文件"},
    {"ranks load the cut of another size; a tensor that is too small loads without a word, and the answers are "
     "nonsense",
     "各 rank 会加载其他规模的切分；偏小的张量会被静默加载，输出毫无意义"},
    {"the files hold all layers of a rank", "文件中是一个 rank 的所有层"},
    {"the experts are cut over all ranks of all replicas, and these files are cut over those of one",
     "专家会在全部副本的所有 rank 间切分，而这些文件只在一个副本内切分"},
    {"the stacks of experts have another shape", "堆叠专家的形状不同"},
    {"weights are cast a second time while they are loaded", "加载时权重会再次转换类型"},
    {"the model has the tensors of a quantised one, and these files do not", "模型会使用量化张量，而这些文件中没有"},
    {"the loader looks for files of other names", "加载器会查找其他名称的文件"},
    {"releases before 0.9.1 load the files behind what the backend does to the weights of experts",
     "0.9.1 之前的版本在后端处理专家权重之后才加载文件"},
    {"redundant experts change the stacks of experts", "冗余专家会改变堆叠专家"},
    {"DeepEP rounds the hidden size up, and the tensors have other shapes",
     "DeepEP 会向上取整 hidden size，张量形状不同"},
    {"layers with LoRA have other names; merge the adapter into the directory with --lora",
     "带 LoRA 的层名称不同；请用 --lora 将适配器合并到目录中"},
    {"context parallelism was not examined", "未验证上下文并行"},
    {"the draft model (MTP too) looks for its own tensors in files of this kind, and they are not there",
     "草稿模型（包括 MTP）会在此类文件中查找自己的张量，而文件中没有"},
    {"the model is not the one of config.json", "模型与 config.json 不一致"},
    {"other implementations have other names", "其他实现的张量名不同"},
    {"the flags in that file are not seen here; write them out", "此处看不到该文件中的参数；请直接写在命令行上"},
    {"W_UK and W_UV are derived before the files are loaded, from memory that nothing has filled",
     "W_UK 和 W_UV 在加载文件之前就由未填充的内存推导得出"},
    {"plugins replace layers, whose names were not examined", "插件会替换层，其名称未经验证"},
    {"attention is cut over fewer ranks", "注意力的切分 rank 数更少"},
    {"lm_head is cut over fewer ranks", "lm_head 的切分 rank 数更少"},
    {"dense MLPs are cut over fewer ranks", "稠密 MLP 的切分 rank 数更少"},
    {"runners that permute the weights of experts before the files are loaded read them wrong without a word",
     "在加载文件之前重排专家权重的 runner 会静默读错这些文件"},
    {"AITER permutes the weights of experts before the files are loaded", "AITER 会在加载文件之前重排专家权重"},
    {"the shared expert is looked for in the other place", "服务会在另一处查找共享专家"},
    {"DeepEP and its like change the shapes of experts", "DeepEP 等后端会改变专家的形状"},
    {"DeepEP changes the shapes of experts", "DeepEP 会改变专家的形状"},
    {"experts stand in another order", "专家的排列顺序不同"},
};

}  // namespace

std::span<const CatalogueEntry> ServerCatalogue() { return kEntries; }

}  // namespace shardfs
