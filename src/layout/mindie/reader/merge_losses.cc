#include "layout/mindie/reader/merge_losses.h"

#include <fmt/format.h>

namespace shardfs {
namespace {

// What quantised weights have lost.
void AddQuantised(const MergeFindings& findings, std::string_view dtype, std::vector<std::string>* losses) {
  if (findings.has_static) {
    losses->push_back(fmt::format(
        "W8A8: gate_proj and up_proj are shown with one input_scale and input_offset, as they are stored; input_offset "
        "is shown as {}, as its own dtype is unknown. Values are exact where the original's agreed",
        dtype));
  }
  if (findings.has_rounded_deq_scale) {
    losses->push_back(
        "deq_scale was rounded to F16, and is shown as F32: its last bits are not the original's, where that had F32");
  }
  if (findings.has_dynamic) {
    losses->push_back(
        fmt::format("weight_scale and weight_offset are shown as they are stored: of an original that kept them in "
                    "F32, weight_scale "
                    "is rounded to {} for good, so dequantised weights differ in their last bits",
                    dtype));
  }
  if (!findings.has_w4a8) return;
  losses->push_back(fmt::format(
      "W4A8: weight_scale was rounded{}; and of down_proj.scale_bias only the sums of {} rank{} are stored, so that "
      "column{} cannot be split over another number of ranks unless it divides {}",
      findings.has_groups ? ", and multiplied with weight_scale_second: weight_scale is shown as ones and "
                            "weight_scale_second as the product"
                          : "",
      findings.partial_sums, findings.partial_sums == 1 ? "" : "s", findings.partial_sums == 1 ? "" : "s",
      findings.partial_sums));
}

}  // namespace

std::string_view DescribeVariant(MindieFidelity variant) {
  return variant == MindieFidelity::kSharder ? "as weight_sharder writes it" : "as MindIE's loader reads it right";
}

std::string DescribeShards(const ShardedSizes& sizes, MindieFidelity variant) {
  return fmt::format("{}, {}", sizes.Describe(), DescribeVariant(variant));
}

std::vector<std::string> MergeLosses(const MergeFindings& findings, const DeepseekConfig& config,
                                     MindieFidelity variant) {
  const std::string_view dtype = DtypeName(config.dtype);
  std::vector<std::string> losses;
  if (findings.has_router_bias) {
    losses.push_back(fmt::format(
        "mlp.gate.e_score_correction_bias is stored minus its minimum and rounded to {}, and shown so as F32: MindIE "
        "routes by these values, but the original model may choose other experts for a token",
        dtype));
  }
  losses.push_back(fmt::format(
      "embeddings, lm_head, norms, the router and float linears are stored as {}: exact where the original had that "
      "dtype, rounded for good where it had F32; which of the two is not recorded",
      dtype));
  AddQuantised(findings, dtype, &losses);
  if (findings.has_anti_norms) {
    losses.push_back(variant == MindieFidelity::kSharder
                         ? "anti-outlier norms: the .module tensors of q_a_layernorm, and of post_attention_layernorm "
                           "in MoE layers, "
                           "were not stored; an engine that needs them cannot use the merged checkpoint"
                         : "anti-outlier norms: the .module tensors of q_a_layernorm were not stored");
  }
  if (findings.has_mtp) return losses;
  losses.push_back(
      "the directory was written without the MTP layer: set \"num_nextn_predict_layers\" of config.json to 0 for an "
      "engine that looks for it");
  return losses;
}

}  // namespace shardfs
