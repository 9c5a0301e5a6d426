#include "evaluator/random_case.h"

#include <algorithm>
#include <iterator>
#include <sstream>

namespace shardfs::evaluator {
namespace {

std::int64_t Signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }

void ChooseParallel(RandomNumbers* random, RandomCase* c) {
  Options& o = c->effective;
  o.tp = Signed(random->OneOf<std::uint64_t>({1, 2, 2, 3, 4, 4}));
  o.dp = random->Chance(50) ? Signed(random->Between(2, 3)) : 1;
  o.cp = o.dp == 1 && random->Chance(25) ? 2 : 1;
  o.world = o.tp * o.dp * o.cp;
  std::vector<std::int64_t> ways;
  for (std::int64_t ep = 1; ep <= o.world; ++ep) {
    if (o.world % ep == 0) ways.push_back(ep);
  }
  o.moe_ep = random->OneOf(ways);
  o.moe_tp = o.world / o.moe_ep;
  o.sp = random->Chance(20) ? o.tp : 1;
  o.nodes = 1;
  if (o.world % 2 == 0 && o.tp <= o.world / 2 && o.moe_tp <= o.world / 2 && random->Chance(25)) o.nodes = 2;

  c->given = o;
  if (o.dp == 1 && random->Chance(50)) c->given.dp = -1;
  if (o.cp == 1 && random->Chance(50)) c->given.cp = -1;
  if (o.sp == 1 && random->Chance(50)) c->given.sp = -1;
  if (o.moe_ep == 1 && random->Chance(50)) c->given.moe_ep = -1;
  if (o.moe_tp == o.tp && random->Chance(50)) c->given.moe_tp = -1;
  if (o.tp == o.world && c->given.moe_tp != -1 && random->Chance(50)) c->given.tp = -1;
}

void ChooseOptions(RandomNumbers* random, RandomCase* c, Fidelity fidelity) {
  Options& o = c->given;
  o.fidelity = fidelity;
  o.mtp = c->has_mtp_layer && random->Chance(80);
  if (random->Chance(40)) o.max_shard_bytes = random->Between(200, 20'000);
  if (random->Chance(10)) o.max_shard_bytes = random->OneOf<std::uint64_t>({32, 64, 96, 192});
  o.dp_partition_up = random->Chance(20);
  o.ep_level = random->Chance(20) ? 2 : 1;
  o.enable_gating_dp = random->Chance(70);
  o.enable_shared_expert_dp = random->Chance(30);
  if (fidelity == Fidelity::kLoader && random->Chance(15))
    o.dense_mlp_local_tp = random->OneOf(std::vector<std::int64_t>{c->effective.tp, c->effective.world, 1, 2});
}

void ChooseDimensions(RandomNumbers* random, RandomCase* c) {
  const auto tp = static_cast<std::uint64_t>(c->effective.tp);
  const auto moe_tp = static_cast<std::uint64_t>(c->effective.moe_tp);
  const auto moe_ep = static_cast<std::uint64_t>(c->effective.moe_ep);
  Dimensions& d = c->dims;
  // The sharder loses data of MoE layers below 3; the loader's directory does not.
  const bool any = c->given.fidelity == Fidelity::kLoader && random->Chance(40);
  d.first_moe_layer = any ? random->Between(0, 2) : random->OneOf<std::uint64_t>({3, 3, 3, 4});
  d.layers = d.first_moe_layer + random->Between(1, 2) + (random->Chance(4) ? 7 : 0);
  d.heads = tp * random->Between(1, 3);
  d.hidden = tp * 2 * random->Between(1, 5);
  d.nope = random->Between(1, 6);
  d.rope = 2 * random->Between(1, 3);
  d.v = random->Between(1, 6);
  d.kv_rank = c->fa_quant_type ? tp * random->Between(1, 3) : random->Between(2, 9);
  d.q_rank = random->Between(2, 9);
  d.dense_intermediate = random->Between(3, 25);
  d.expert_intermediate = random->Between(3, 25);
  if (c->moe_quantize == "w4a8_dynamic") d.expert_intermediate = moe_tp * 2 * random->Between(1, 3);
  d.experts = moe_ep * random->Between(1, 3);
  d.shared_experts = random->OneOf<std::uint64_t>({1, 1, 1, 2});
  d.vocabulary = random->Between(20, 40);
}

}  // namespace

RandomCase ChooseCase(RandomNumbers* random, bool quantised, Fidelity fidelity) {
  RandomCase c;
  c.dtype = random->Chance(65) ? Dtype::kBF16 : Dtype::kF16;
  c.has_mtp_layer = random->Chance(80);
  if (quantised) {
    const std::vector<std::string> kinds = {"w8a8", "w8a16", "w8a8_dynamic", "w8a8_dynamic"};
    c.quantize = random->OneOf(kinds);
    if (random->Chance(50)) c.mla_quantize = random->OneOf(kinds);
    if (random->Chance(30)) c.moe_quantize = random->OneOf(kinds);
    if (random->Chance(30)) c.moe_quantize = "w4a8_dynamic";
    c.mtp_quantize = random->Chance(40);
    if (random->Chance(25)) c.fa_quant_type = random->OneOf<std::string>({"FAQuant", "FAKQuant"});
    c.fa_in_config = random->Chance(80);
  }
  ChooseParallel(random, &c);
  ChooseOptions(random, &c, fidelity);
  ChooseDimensions(random, &c);
  return c;
}

std::string Damage(RandomNumbers* random, RandomCase* c) {
  if (random->Chance(25)) {
    Options& o = c->given;
    std::int64_t* const sizes[] = {&o.world, &o.dp, &o.tp, &o.moe_tp, &o.moe_ep, &o.sp, &o.cp, &o.nodes};
    const std::uint64_t which = random->Between(0, std::size(sizes) - 1);
    *sizes[which] = Signed(random->Between(1, 8));
    if (random->Chance(60)) o.world = (o.tp == -1 ? 1 : o.tp) * std::max<std::int64_t>(o.dp, 1);
    return "other parallel sizes";
  }
  const std::uint64_t way = random->Between(1, 100);
  if (way > 80 && c->quantize) {
    auto& [key, value] = c->description[random->Between(0, c->description.size() - 1)];
    value = JsonValue::String(random->OneOf<std::string>({"FLOAT", "W8A8", "W8A8_DYNAMIC"}));
    return key + " described as " + value.text();
  }
  auto tensor = c->tensors.begin();
  std::advance(tensor, random->Between(0, c->tensors.size() - 1));
  const std::string name = tensor->first;
  if (way > 50) {
    const std::uint64_t rows = tensor->second.shape[0];
    tensor->second = random->Chance(50) ? Slice(tensor->second, 0, 0, rows - 1) : PadEnd(tensor->second, 0, rows + 1);
    return name + " of another shape";
  }
  c->tensors.erase(tensor);
  return name + " taken away";
}

std::string RandomCase::ToString() const {
  std::ostringstream out;
  out << "world " << given.world << " dp " << given.dp << " tp " << given.tp << " moe_tp " << given.moe_tp << " moe_ep "
      << given.moe_ep << " sp " << given.sp << " cp " << given.cp << " nodes " << given.nodes << " mtp " << given.mtp
      << " max_shard " << given.max_shard_bytes << " up " << given.dp_partition_up << " ep_level " << given.ep_level
      << " gating_dp " << given.enable_gating_dp << " shared_dp " << given.enable_shared_expert_dp
      << " dense_mlp_local_tp " << given.dense_mlp_local_tp << " "
      << (given.fidelity == Fidelity::kLoader ? "loader" : "sharder") << ", " << DtypeName(dtype) << " quantize "
      << quantize.value_or("-") << " mla " << mla_quantize.value_or("-") << " moe " << moe_quantize.value_or("-")
      << " mtp_quantize " << mtp_quantize << " fa " << fa_quant_type.value_or("-") << ", layers " << dims.layers
      << " first " << dims.first_moe_layer << " heads " << dims.heads << " hidden " << dims.hidden << " dense "
      << dims.dense_intermediate << " expert " << dims.expert_intermediate << " experts " << dims.experts;
  return out.str();
}

}  // namespace shardfs::evaluator
