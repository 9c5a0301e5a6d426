// Messages of the layouts deepseek-mp, safetensors, ckpt, huggingface and sharded-state.
#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

constexpr CatalogueEntry kEntries[] = {
    // ---- deepseek-mp ----
    {"{} experts do not divide by mp {}", "{} 个专家不能被 mp {} 整除"},
    {"n_experts is not given, and config.json has no n_routed_experts",
     "未给出 n_experts，且 config.json 中没有 n_routed_experts"},
    {"num_hidden_layers is {}, but layer {} is dropped as the MTP layer",
     "num_hidden_layers 为 {}，而第 {} 层会被当作 MTP 层丢弃"},
    {"layer 61 is DeepSeek-V3's MTP layer, which convert.py drops",
     "第 61 层是 DeepSeek-V3 的 MTP 层，convert.py 会将其丢弃"},
    {"no tensor is left", "没有剩下任何张量"},
    {"{} is expert {} of {}", "{} 是第 {} 个专家，而专家总数为 {}"},
    {"{}: expert {} of {} is missing", "{}：缺少第 {} 个专家的 {}"},
    {"axis {} of {} does not divide by mp {}", "轴 {}（{}）不能被 mp {} 整除"},
    {"{}: a rank's share {} of axis {} cuts a scale block of {}",
     "{}：每个 rank 的份额 {}（轴 {}）会切开大小为 {} 的缩放块"},
    {"{} matches *token* and is no regular file; move it away", "{} 匹配 *token*，但不是普通文件；请移走"},
    {"the deepseek-mp layout needs the number of ranks; add --mp N", "deepseek-mp 布局需要 rank 数；请加上 --mp N"},
    {"mp is {}, more than {}", "mp 为 {}，超过 {}"},
    {"{} has no place in DeepSeek's model; of an MTP layer only layer 61 is left out",
     "{} 在 DeepSeek 的模型中没有对应位置；MTP 层中只有第 61 层会被略去"},
    // ---- file by file ----
    {"it has no element, and a .ckpt has no entry for such a tensor", "它没有元素，而 .ckpt 无法存放这样的张量"},
    {"no tensor is left to show in it", "没有可显示的张量"},
    {"it holds .ckpt files and safetensors files ({} and {}); say with file_name_regex which count, such as 'ckpt$'",
     "其中既有 .ckpt 文件也有 safetensors 文件（{} 和 {}）；请用 file_name_regex 说明使用哪些，例如 'ckpt$'"},
    {"there is no *.ckpt file in the directory, nor weights in a folder rank*{}",
     "目录中没有 *.ckpt 文件，rank* 目录中也没有权重{}"},
    {" (file_name_regex leaves {} out)", "（file_name_regex 略去了 {} 个）"},
    {"cannot open the folder {}", "无法打开目录 {}"},
    {"{}: __metadata__ has {} under the name of tensor {}, which is {}; MindSpore knows Int4 of an I8 alone",
     "{0}：__metadata__ 在张量 {2} 的名称下为 {1}，而该张量为 {3}；MindSpore 只支持以 I8 存放的 Int4"},
    {"file_name: {} is no name of a file", "file_name：{} 不能用作文件名"},
    {"{} is no JSON object of old names to new names", "{} 不是由旧名称到新名称的 JSON 对象"},
    {"{}: the new name of {} is no text", "{}：{} 的新名称不是文本"},
    {"{} lies in the directory itself: of a directory, MindSpore converts the files of its folders rank*; give the "
     "file as SOURCE, or --file-name NAME for all tensors in one file",
     "{} 直接位于该目录中：对于目录，MindSpore 只转换其 rank* 子目录中的文件；请将该文件作为 SOURCE 给出，或用 "
     "--file-name NAME 把全部张量放入一个文件"},
    {"file_name_regex: {} is found in none of the {} files' names", "file_name_regex：{} 与 {} 个文件的名称都不匹配"},
    {"file_name names one file, and {} are shown; leave it out",
     "file_name 只能命名一个文件，而这里有 {} 个；请去掉它"},
    {"{} has {} files and no folders rank*, whose files could be shown one by one: give one file as SOURCE, or "
     "--file-name NAME for all tensors in one file",
     "{} 有 {} 个文件，且没有可逐个显示文件的 rank* 子目录：请将一个文件作为 SOURCE 给出，或用 --file-name NAME 把全"
     "部张量放入一个文件"},
    {"name_map: {} and {} of {} would both be called {}", "name_map：{2} 的 {0} 和 {1} 的新名称都是 {3}"},
    {"format_version: {} is no version of MindSpore, such as 2.6 or 2.7",
     "format_version：{} 不是 MindSpore 的版本号，应形如 2.6 或 2.7"},
    // ---- huggingface ----
    {"{} {}; the huggingface layout needs a true index: correct or remove it",
     "{} {}；huggingface 布局要求索引正确：请修正或删除它"},
    {"{} {}; they are shown all the same", "{} {}；仍会全部显示"},
    {"its file is not named in the index", "索引中没有它所在的文件"},
    {"the header of {} has changed", "{} 的头部已改变"},
    {"files=source has no {}: files, order and index are the source's own",
     "files=source 时没有 {}：文件、顺序和索引都以源为准"},
    {"files=source shows the source's own files, and those of {} hold slices of tensors; leave files=source out",
     "files=source 显示源自己的文件，而 {} 的文件存放的是张量切片；请去掉 files=source"},
    {"files=source shows the source's own safetensors files, and {} is stored in {}; leave files=source out",
     "files=source 显示源自己的 safetensors 文件，而 {} 存放在 {} 中；请去掉 files=source"},
    {"files=source keeps the files' own headers here, so metadata cannot be chosen",
     "files=source 在此保留文件自己的头部，因此不能选择 metadata"},
    // ---- sharded-state ----
    {"it has no \"{}\" such as \"0.26\"", "它没有形如 \"0.26\" 的 \"{}\""},
    {"there is no block {}{}", "没有块 {}{}"},
    {"{} has no role {}; it has {}", "{} 没有角色 {}；有 {}"},
    {"{} of {} is no name", "{1} 的 {0} 不能用作名称"},
    {"{} has no roles", "{} 没有角色"},
    {"its \"first\" is not behind that of the release before it", "其 \"first\" 不晚于前一个版本的 \"first\""},
    {"{} is not understood; a release has \"first\", \"{}\": \"F32\" or \"model\", and \"blocks\"",
     "无法识别 {}；每个版本包含 \"first\"、\"{}\": \"F32\" 或 \"model\"，以及 \"blocks\""},
    {"neither it nor one before it has the block \"{}\"", "它和之前的版本都没有块 \"{}\""},
    {"its \"since\" is no object of model types and releases", "其 \"since\" 不是由模型类型到版本的对象"},
    {"it has no list \"releases\"", "它没有列表 \"releases\""},
    {"release {} of {}", "{1} 的版本 {0}"},
    {"its \"last\" {} is before its release {}", "其 \"last\" {} 早于其版本 {}"},
    {"{}: no table of names; `shardfs layouts {} --json` prints one to start from",
     "{}：没有名称表；可用 `shardfs layouts {} --json` 打印一份作为起点"},
    {"the built-in table", "内置名称表"},
    {"there is no engine {}", "没有推理引擎 {}"},
    {"size of the shared experts, hidden_size", "共享专家的大小, hidden_size"},
    {"hidden_size, size of the shared experts", "hidden_size, 共享专家的大小"},
    {"{} is no number of a release; write one such as 0.26 or 0.10.2", "{} 不是版本号；应形如 0.26 或 0.10.2"},
    {"the names of {} {} have no \"{}\" in \"{}\", which {} needs",
     "{} {} 的名称表没有 \"{}\"（在 \"{}\" 中），而 {} 需要它"},
    {"the table of names gives the name {} to two tensors", "名称表把名称 {} 给了两个张量"},
    {"{} is {}: quantised checkpoints are refused; the layout takes F32, F16 and BF16",
     "{} 为 {}：不支持量化权重；该布局接受 F32、F16 和 BF16"},
    {"{} has {} rows, but vocab_size is {}", "{} 有 {} 行，而 vocab_size 为 {}"},
    {"{} is {}, but config.json makes it {} ({})", "{} 为 {}，而按 config.json 应为 {}（{}）"},
    {"the engines compute it", "由推理引擎自行计算"},
    {"tie_word_embeddings: the embedding stands for it", "tie_word_embeddings：以词嵌入代替"},
    {"layer {} is behind num_hidden_layers {}: the main model has no MTP layer",
     "第 {} 层超出 num_hidden_layers {}：主模型没有 MTP 层"},
    {"nothing uses {}: the engine's model has no such tensor; --drop leaves tensors out",
     "没有用到 {}：推理引擎的模型中没有该张量；可用 --drop 略去张量"},
    {"tensors of the model are missing: {}", "缺少模型的张量：{}"},
    {"with one rank vLLM takes no notice of --enable-expert-parallel and has no map of experts, so it refuses these "
     "files; leave --expert-parallel out",
     "只有一个 rank 时，vLLM 会忽略 --enable-expert-parallel，没有专家映射，因而拒绝这些文件；请去掉 "
     "--expert-parallel"},
    {"vLLM {} derives MLA's W_UK and W_UV before it loads these files, and answers nonsense; start it with "
     "VLLM_MLA_DISABLE=1 in the environment, or take 0.9.1 or later",
     "vLLM {} 在加载这些文件之前就推导 MLA 的 W_UK 和 W_UV，推理结果会出错；请在环境变量 VLLM_MLA_DISABLE=1 下启动，"
     "或使用 0.9.1 及以上版本"},
    {"SGLang's MoE runners other than triton (TRTLLM, AITER) permute expert weights before it loads these files, "
     "and would read them wrong without a word: start it with --moe-runner-backend triton",
     "除 triton 外，SGLang 的 MoE runner（TRTLLM、AITER）会在加载这些文件之前重排专家权重，从而无提示地读错：请以 "
     "--moe-runner-backend triton 启动"},
    {"{} {}; the layout goes by the headers", "{} {}；该布局以文件头为准"},
    {", whole experts shared out", "，专家整体分配"},
    {", shared expert fused", "，已融合共享专家"},
    {" (assumed; --engine-version names another)", "（假定；可用 --engine-version 指定其他版本）"},
    {"{}; the files that are there hold every tensor of this view", "{}；现有文件已包含该视图的全部张量"},
    {"{} {} does not divide by tp {}", "{} {} 不能被 tp {} 整除"},
    {"num_key_value_heads {} neither divides by tp {} nor divides it", "num_key_value_heads {} 与 tp {} 之间不能整除"},
    {"the size of the shared experts", "共享专家的大小"},
    {"vocab_size {} filled up to", "补齐后的 vocab_size {}，即"},
    // ---- summaries ----
    {"{} layout: {} tensors, {} file{}", "{0} 布局：{1} 个张量，{2} 个文件{3:.0}"},
    {"huggingface layout{}: {} tensors, {} files{}", "huggingface 布局{}：{} 个张量，{} 个文件{}"},
    {" of {}", "，{}"},
    {" of the source", "（源自己的文件）"},
    {"mindie layout ({}) of {} ({}{}, {} layers{}, {} experts) for {} ranks: dp {}, tp {}, moe_tp {}, moe_ep {}, sp "
     "{}, cp {}",
     "mindie 布局（{}），{}（{}{}，{} 层{}，{} 个专家），{} 个 rank：dp {}，tp {}，moe_tp {}，moe_ep {}，sp {}，cp "
     "{}"},
    {" and MTP", "及 MTP"},
    {"sharded-state layout of {} ({}) for {} {}{}, {} ranks{}: {} tensors a rank; serve with: {}",
     "sharded-state 布局，{}（{}），用于 {} {}{}，{} 个 rank{}：每个 rank {} 个张量；启动服务：{}"},
};

}  // namespace

std::span<const CatalogueEntry> LayoutMessages() { return kEntries; }

}  // namespace shardfs
