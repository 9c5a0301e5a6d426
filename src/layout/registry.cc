#include "shardfs/layout/registry.h"

#include <algorithm>
#include <array>

#include "base/instance.h"
#include "layout/deepseek_mp/deepseek_mp_layout.h"
#include "layout/file_by_file/ckpt_layout.h"
#include "layout/file_by_file/ckpt_reader.h"
#include "layout/file_by_file/safetensors_layout.h"
#include "layout/huggingface/huggingface_layout.h"
#include "layout/huggingface/huggingface_reader.h"
#include "layout/mindie/mindie_layout.h"
#include "layout/mindspore/mindspore_layout.h"
#include "layout/mindspore/mindspore_net_layout.h"
#include "layout/mindspore/mindspore_reader.h"
#include "layout/mindspore/mindspore_unified_layout.h"
#include "layout/rank_cut/rank_cut_layout.h"
#include "layout/sharded_state/sharded_state_layout.h"
#include "layout/mindie/reader/mindie_reader.h"
#include "shardfs/transform/transform.h"

namespace shardfs {

// One line a reader, and its header above.
std::span<const CheckpointReader* const> Readers() {
  static const auto all = std::to_array<const CheckpointReader*>({
      Instance<HuggingfaceReader>(),
      Instance<CkptReader>(),
      Instance<MindsporeReader>(),
      Instance<MindieReader>(),
  });
  return all;
}

// One line a layout, and its header above.
std::span<const Layout* const> Layouts() {
  static const auto all = std::to_array<const Layout*>({
      Instance<MindieLayout>(),
      Instance<HuggingfaceLayout>(),
      Instance<DeepseekMpLayout>(),
      Instance<MindsporeLayout>(),
      Instance<MindsporeNetLayout>(),
      Instance<SafetensorsLayout>(),
      Instance<CkptLayout>(),
      Instance<MindsporeUnifiedLayout>(),
      Instance<RankCutLayout>(),
      Instance<ShardedStateLayout>(),
  });
  return all;
}

const Layout* FindLayout(std::string_view name) {
  const auto all = Layouts();
  const auto found =
      std::find_if(all.begin(), all.end(), [name](const Layout* layout) { return layout->name() == name; });
  return found == all.end() ? nullptr : *found;
}

std::vector<OptionTaker> AllTakers() {
  std::vector<OptionTaker> takers;
  for (const CheckpointReader* const reader : Readers())
    takers.push_back({"reader", reader->name(), reader->options()});
  for (const Transform* const transform : Transforms()) {
    takers.push_back({"transform", transform->name(), transform->options()});
  }
  for (const Layout* const layout : Layouts()) takers.push_back({"layout", layout->name(), layout->options()});
  return takers;
}

}  // namespace shardfs
