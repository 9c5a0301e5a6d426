// Messages about directories that weight_sharder wrote, which the mindie reader merges.
#include "console/catalogue/catalogue.h"

namespace shardfs {
namespace {

constexpr CatalogueEntry kEntries[] = {
    // ---- reader ----
    {"rank 0 lacks {}", "rank 0 缺少 {}"},
    {"the embedding has {} rows for a vocabulary of {}", "词嵌入有 {} 行，而词表大小为 {}"},
    {"{}, so neither weight_sharder nor shardfs wrote it for this config.json",
     "{}，因此并非由 weight_sharder 或 shardfs 按该 config.json 写出"},
    {"shardfs_fidelity is {}, but {}", "shardfs_fidelity 为 {}，但 {}"},
    {"{} experts over moe_ep {}: the directory lacks experts, which weight_sharder left out",
     "{} 个专家分给 moe_ep {}：该目录缺少 weight_sharder 略去的专家"},
    {"hidden_size {} over tp {}: the directory lacks columns of the embedding, which weight_sharder left out",
     "hidden_size {} 分给 tp {}：该目录缺少 weight_sharder 略去的词嵌入列"},
    {"num_attention_heads {} over tp {}: does config.json belong to the folders?",
     "num_attention_heads {} 分给 tp {}：config.json 与这些目录匹配吗？"},
    {"layer {} has experts in model-dense-tp-*, which ranks overwrote: those of other ranks are lost",
     "第 {} 层在 model-dense-tp-* 中有专家，已被各 rank 互相覆盖：其他 rank 的专家已丢失"},
    {"FA3 scales cannot be recovered from the directory ({}): it has their rounded inverses, and no offsets",
     "无法由该目录恢复 FA3 缩放（{}）：其中只有取整后的倒数，且没有 offset"},
    {"\"q_lora_rank\" of config.json is null; merging covers models that have one",
     "config.json 的 \"q_lora_rank\" 为 null；只能合并带有它的模型"},
    {"\"topk_method\" of config.json is not noaux_tc, the only one that merging covers",
     "config.json 的 \"topk_method\" 不是 noaux_tc，而只支持合并这一种"},
    {"W8A8: gate_proj and up_proj are shown with one input_scale and input_offset, as they are stored; input_offset "
     "is shown as {}, as its own dtype is unknown. Values are exact where the original's agreed",
     "W8A8：gate_proj 与 up_proj 按存放的形式共用一个 input_scale 和 input_offset；input_offset 的原数据类型未知，显"
     "示为 {}。原值一致时结果是精确的"},
    {"deq_scale was rounded to F16, and is shown as F32: its last bits are not the original's, where that had F32",
     "deq_scale 曾舍入为 F16，现显示为 F32：若原值为 F32，末位已与原值不同"},
    {"weight_scale and weight_offset are shown as they are stored: of an original that kept them in F32, "
     "weight_scale is rounded to {} for good, so dequantised weights differ in their last bits",
     "weight_scale 和 weight_offset 按存放的形式显示：若原值为 F32，weight_scale 已舍入为 {}，无法恢复，反量化后的权"
     "重末位会不同"},
    {"W4A8: weight_scale was rounded{}; and of down_proj.scale_bias only the sums of {} rank{} are stored, so that "
     "column{} cannot be split over another number of ranks unless it divides {}",
     "W4A8：weight_scale 已舍入{0}；down_proj.scale_bias 只存有 {1} 个 rank 的部分和{2:.0}{3:.0}，因此无法切分到其他"
     " rank 数，除非它能整除 {4}"},
    {", and multiplied with weight_scale_second: weight_scale is shown as ones and weight_scale_second as the "
     "product",
     "，并与 weight_scale_second 相乘：weight_scale 显示为全 1，weight_scale_second 显示为乘积"},
    {"mlp.gate.e_score_correction_bias is stored minus its minimum and rounded to {}, and shown so as F32: MindIE "
     "routes by these values, but the original model may choose other experts for a token",
     "mlp.gate.e_score_correction_bias 存放的是减去最小值并舍入为 {} 的结果，按此以 F32 显示：MindIE 按这些值路由，"
     "而原模型可能为某个 token 选择其他专家"},
    {"embeddings, lm_head, norms, the router and float linears are stored as {}: exact where the original had that "
     "dtype, rounded for good where it had F32; which of the two is not recorded",
     "词嵌入、lm_head、归一化、路由和浮点线性层以 {} 存放：原数据类型相同时是精确的，原为 F32 时已舍入且无法恢复；究"
     "竟是哪种没有记录"},
    {"anti-outlier norms: the .module tensors of q_a_layernorm, and of post_attention_layernorm in MoE layers, were "
     "not stored; an engine that needs them cannot use the merged checkpoint",
     "anti-outlier 归一化：q_a_layernorm 以及 MoE 层 post_attention_layernorm 的 .module 张量没有存放；需要它们的推"
     "理引擎无法使用合并后的权重"},
    {"anti-outlier norms: the .module tensors of q_a_layernorm were not stored",
     "anti-outlier 归一化：q_a_layernorm 的 .module 张量没有存放"},
    {"the directory was written without the MTP layer: set \"num_nextn_predict_layers\" of config.json to 0 for an "
     "engine that looks for it",
     "该目录写出时没有 MTP 层：对于会查找 MTP 层的推理引擎，请将 config.json 的 \"num_nextn_predict_layers\" 设为 0"},
    {"{}k_b_proj.weight and v_b_proj.weight are of two dtypes", "{}k_b_proj.weight 与 v_b_proj.weight 的数据类型不同"},
    {"{} is {} in {}, but config.json and tp {} make it {}",
     "{0} 在 {2} 中为 {1}，而按 config.json 和 tp {3} 应为 {4}"},
    {"{} is {} in {}, which is not {}", "{0} 在 {2} 中为 {1}，而不是 {3}"},
    {"a stack of {} experts", "{} 个专家的堆叠"},
    {"of rank {}", "（rank {}）"},
    {"gate and up in equal parts", "等分的 gate 与 up"},
    {"W4A8 weights have a scale for each group, but {} does not record group_size: set it there to the columns of a "
     "group before other programs read the merged checkpoint",
     "W4A8 权重每组有一个缩放，但 {} 没有记录 group_size：其他程序读取合并后的权重之前，请将其设为每组的列数"},
    {"cannot open the folder ", "无法打开目录 "},
    {" In all, {} folder{} missing, of ranks {}.", " 合计缺少 {0} 个目录{1:.0}，属于 rank {2}。"},
    {"{} of rank {} is missing: the directory of one node only?{} Put the folders of all nodes into one directory",
     "缺少 {0}（rank {1}）：这是单个节点的目录吗？{2} 请把所有节点的目录放在一起"},
    {"{} lies beside {}: a checkpoint or a sharded directory? Move the one that is not meant elsewhere",
     "{} 与 {} 并存：这是权重还是切分后的目录？请把不需要的移走"},
    {"no memory for the headers of '{}'", "内存不足，无法读取 '{}' 的文件头"},
    {"it is a file; give the directory that holds {}", "它是文件；请给出包含 {} 的目录"},
    {"it has no {}, by which a MindIE directory is known", "它没有 {}，而 MindIE 的目录以此识别"},
    {"{} is left out: an index of files that this directory does not have", "{} 被略去：它是该目录所没有的文件的索引"},
    {"{} is left out: it belongs to no rank of {}", "{} 被略去：它不属于 {} 的任何 rank"},
    {"rank {} has {} in {} and in {}; MindIE refuses that, and one of them is not meant",
     "rank {} 的 {} 同时位于 {} 和 {}；MindIE 会拒绝，其中之一是多余的"},
    {"rank {} lacks {}", "rank {} 缺少 {}"},
    {"{} is {} {} in {}, but {} {} in {}: the folders come from different runs",
     "{0} 在 {3} 中为 {1} {2}，而在 {6} 中为 {4} {5}：这些目录来自不同次切分"},
    {"{} has no \"{}\"", "{} 没有 \"{}\""},
    {"\"{}\" of {} is {}, not a whole number between 1 and {}", "{1} 的 \"{0}\" 为 {2}，不是 1 到 {3} 之间的整数"},
    {"{} says {}, but {}", "{} 为 {}，但 {}"},
    {"tp does not divide the world size", "tp 不能整除 world size"},
    {"dp * tp does not divide the world size", "dp * tp 不能整除 world size"},
    {"moe_tp * moe_ep is not the world size", "moe_tp * moe_ep 不等于 world size"},
    {"\"shardfs_fidelity\" of {} is {}; it may be \"sharder\" or \"loader\"",
     "{} 的 \"shardfs_fidelity\" 为 {}；只能是 \"sharder\" 或 \"loader\""},
    {"{} holds no JSON object", "{} 中不是 JSON 对象"},
    {"{} has no object \"parallel_option\"", "{} 没有对象 \"parallel_option\""},
    {"{} rank{} (dp {}, tp {}, moe_tp {}, moe_ep {})", "{0} 个 rank{1:.0}（dp {2}，tp {3}，moe_tp {4}，moe_ep {5}）"},
    {"rank 0 lacks {}, as do all other ranks", "rank 0 缺少 {}，其他 rank 也都没有"},
    {"{} in {} is no tensor of this model{}; does config.json belong to the folders?",
     "{1} 中的 {0} 不是该模型的张量{2}；config.json 与这些目录匹配吗？"},
    {", nor are {} more", "，另有 {} 个也不是"},
    {"{} is {}, but config.json makes it {}", "{} 为 {}，而按 config.json 应为 {}"},
    {"{}: {} part{} [{}] do{} not make {} on axis {}", "{0}：{1} 个部分{2:.0}[{3}] 不能{4:.0}在轴 {6} 上组成 {5}"},
    {"{}.weight is {}; a MindIE directory has floats and I8", "{}.weight 为 {}；MindIE 的目录只有浮点和 I8"},
    {"{}.weight is quantised, but config.json has no \"quantize\"; put the kind that quant_model_description*.json "
     "gives the model there",
     "{}.weight 已量化，而 config.json 中没有 \"quantize\"；请填入 quant_model_description*.json 给出的模型类型"},
    {"the input_offset of {} is {}, not I8", "{} 的 input_offset 为 {}，不是 I8"},
    {"dense_mlp_local_tp {}", "dense_mlp_local_tp {}"},
    {"moe_ep {}", "moe_ep {}"},
    {"moe_tp {}", "moe_tp {}"},
    {"worldSize {}, moe_tp {}, ep_level {}", "worldSize {}，moe_tp {}，ep_level {}"},
    {"re-sharded from {} rank{} (dp {}, tp {}, moe_tp {}, moe_ep {}), {}, to: {}",
     "从 {0} 个 rank{1:.0}（dp {2}，tp {3}，moe_tp {4}，moe_ep {5}），{6}，重新切分为：{7}"},
    // ---- tensors that ranks share ----
    {"{} in {} is not zero, but only the first rank of a group may add it",
     "{1} 中的 {0} 不为零，而只有组内第一个 rank 可以加上它"},
    {"{} differs in {} and {}", "{} 在 {} 和 {} 中不同"},
    {"{} rank{} (dp {}, tp {}, moe_tp {}, moe_ep {}), {}",
     "{0} 个 rank{1:.0}（dp {2}，tp {3}，moe_tp {4}，moe_ep {5}），{6}"},
};

}  // namespace

std::span<const CatalogueEntry> MindieReaderMessages() { return kEntries; }

}  // namespace shardfs
