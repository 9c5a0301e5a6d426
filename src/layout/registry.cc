#include <array>

#include "layout/mindie/mindie_layout.h"
#include "shardfs/layout/layout.h"

namespace shardfs {
namespace {

// One line a layout.
std::array<const Layout*, 1> AllLayouts() {
  static const MindieLayout mindie;
  return {&mindie};
}

}  // namespace

const Layout* FindLayout(std::string_view name) {
  for (const Layout* layout : AllLayouts()) {
    if (layout->name() == name) return layout;
  }
  return nullptr;
}

std::vector<std::string_view> LayoutNames() {
  std::vector<std::string_view> names;
  for (const Layout* layout : AllLayouts()) names.push_back(layout->name());
  return names;
}

}  // namespace shardfs
